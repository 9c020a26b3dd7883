import { type Instants, instantsOf, type Period, type Recurrence } from './recurrence.ts';

/** When the usage of an entitlement begins anew: by its recurrence, and where somebody reset it by hand. */
export interface UsagePeriods {
  /** Usage is measured from here on; the first period begins here. */
  startUs: number;
  recurrence: Recurrence;
  /** Ascending. */
  manual: readonly ManualReset[];
}

export interface ManualReset {
  atUs: number;
  /** The recurrence counts from this reset on. */
  movesAnchor: boolean;
  preserveOverage: boolean;
}

export interface Reset {
  atUs: number;
  preserveOverage: boolean;
}

/** A stretch in which one recurrence holds, from a reset (or the start) that moves the anchor to the next. */
interface Stretch {
  fromUs: number;
  toUs: number;
  instants: Instants;
}

/** The resets of an entitlement, and the periods between them. */
export class Resets {
  readonly #stretches: Stretch[];

  constructor(
    readonly periods: UsagePeriods,
    /** Of the resets that come by themselves. */
    readonly preserveOverage: boolean,
  ) {
    const { startUs, recurrence, manual } = periods;
    const begins = [
      { fromUs: startUs, recurrence },
      ...manual
        .filter(({ movesAnchor }) => movesAnchor)
        .map(({ atUs }) => ({ fromUs: atUs, recurrence: { ...recurrence, anchorUs: atUs } })),
    ];
    this.#stretches = begins.map((begin, i) => ({
      fromUs: begin.fromUs,
      toUs: begins[i + 1]?.fromUs ?? Number.POSITIVE_INFINITY,
      instants: instantsOf(begin.recurrence),
    }));
  }

  /** Those with afterUs < reset ≤ untilUs, ascending; none at the start itself. */
  between(afterUs: number, untilUs: number): Reset[] {
    const found = new Map<number, Reset>();
    for (const { fromUs, toUs, instants } of this.#stretches) {
      const since = Math.max(fromUs, afterUs);
      if (since > untilUs || toUs <= afterUs) continue;
      for (const atUs of instants.between(since, Math.min(untilUs, toUs)))
        if (atUs > afterUs && atUs > fromUs) found.set(atUs, { atUs, preserveOverage: this.preserveOverage });
    }
    for (const { atUs, preserveOverage } of this.periods.manual)
      if (atUs > afterUs && atUs <= untilUs) found.set(atUs, { atUs, preserveOverage });
    return [...found.values()].sort((a, b) => a.atUs - b.atUs);
  }

  /** The last reset that is not after `us`; undefined before the first. */
  lastAt(us: number): Reset | undefined {
    return this.before(us + 1);
  }

  /** The last reset before `us`; undefined where there is none. */
  before(us: number): Reset | undefined {
    const stretch = this.#stretches.findLast(({ fromUs }) => fromUs < us);
    if (!stretch) return undefined;
    const natural = stretch.instants.at(stretch.instants.lastAt(us - 1));
    const manual = this.periods.manual.findLast(({ atUs }) => atUs < us);
    const floorUs = Math.max(stretch.fromUs, manual?.atUs ?? Number.NEGATIVE_INFINITY);
    if (natural > floorUs) return { atUs: natural, preserveOverage: this.preserveOverage };
    return manual && { atUs: manual.atUs, preserveOverage: manual.preserveOverage };
  }

  /** The usage period that holds `us`; before the start, the first. */
  periodAt(us: number): Period {
    const { startUs } = this.periods;
    const at = Math.max(us, startUs);
    const fromUs = this.lastAt(at)?.atUs ?? startUs;
    const stretch = this.#stretches.findLast((one) => one.fromUs <= at)!;
    const natural = stretch.instants.periodAt(at).toUs;
    const manual = this.periods.manual.find(({ atUs }) => atUs > at)?.atUs ?? Number.POSITIVE_INFINITY;
    return { fromUs, toUs: Math.min(natural, manual) };
  }
}
