/**
 * Instants that come again: an anchor, and every interval before and after it by the calendar of a zone. The n-th instant
 * is counted from the anchor, not from the one before, so that a month that begins on the 31st stays on the last day of
 * shorter months and returns to the 31st. Across daylight saving the wall clock stays the same.
 */
export interface Recurrence {
  /** DAY, WEEK, MONTH, YEAR or an ISO 8601 duration such as P2W or PT12H. */
  interval: string;
  /** µs since 1970. */
  anchorUs: number;
  /** IANA name. */
  zone: string;
}

export interface Period {
  fromUs: number;
  /** Exclusive. */
  toUs: number;
}

const isoOfName: Record<string, string> = { DAY: 'P1D', WEEK: 'P1W', MONTH: 'P1M', YEAR: 'P1Y' };
const typicalDays = { years: 365.2425, months: 30.436875, weeks: 7, days: 1 } as const;
const dayUs = 86_400_000_000;
/** From 1970 to 2199 in the shortest interval that is allowed, an hour. */
const countMax = 3_000_000;

/** The interval in ISO 8601, as OpenMeter's intervalISO. */
export function intervalIso(interval: string): string {
  return isoOfName[interval] ?? interval;
}

/** Why it is no interval of a recurrence; undefined where it is one. */
export function intervalIssue(interval: string): string | undefined {
  let duration: Temporal.Duration;
  try {
    duration = Temporal.Duration.from(intervalIso(interval));
  } catch {
    return 'must be DAY, WEEK, MONTH, YEAR or an ISO 8601 duration such as P2W';
  }
  if (duration.sign !== 1) return 'must be longer than nothing';
  const lengthUs = typicalUs(duration);
  if (lengthUs < dayUs / 24) return 'must not be shorter than an hour';
  return lengthUs > 100 * 366 * dayUs ? 'must not be longer than a hundred years' : undefined;
}

const recurrencesHeldMax = 1_000;
const instantsHeldMax = 10_000;
const held = new Map<string, Instants>();

/** Those of a recurrence. Most entitlements share theirs with others: working an instant out by the calendar takes microseconds. */
export function instantsOf(recurrence: Recurrence): Instants {
  const key = `${recurrence.interval} ${recurrence.anchorUs} ${recurrence.zone}`;
  let instants = held.get(key);
  if (!instants) {
    if (held.size >= recurrencesHeldMax) held.clear();
    instants = new Instants(recurrence);
    held.set(key, instants);
  }
  return instants;
}

/** The instants of a recurrence by their number: 0 is the anchor. */
export class Instants {
  readonly #duration: Temporal.Duration;
  readonly #anchor: Temporal.ZonedDateTime;
  readonly #lengthUs: number;
  readonly #known = new Map<number, number>();

  constructor({ interval, anchorUs, zone }: Recurrence) {
    this.#duration = Temporal.Duration.from(intervalIso(interval));
    this.#anchor = new Temporal.ZonedDateTime(BigInt(anchorUs) * 1_000n, zone);
    this.#lengthUs = typicalUs(this.#duration);
  }

  at(n: number): number {
    let us = this.#known.get(n);
    if (us === undefined) {
      if (this.#known.size >= instantsHeldMax) this.#known.clear();
      us = Number(this.#anchor.add(times(this.#duration, n)).epochNanoseconds / 1_000n);
      this.#known.set(n, us);
    }
    return us;
  }

  /** Number of the last instant that is not after `us`. */
  lastAt(us: number): number {
    let n = Math.floor((us - this.at(0)) / this.#lengthUs);
    if (Math.abs(n) > countMax) throw new RangeError('a recurrence is asked for too far from its anchor');
    while (this.at(n) > us) n--;
    while (this.at(n + 1) <= us) n++;
    return n;
  }

  periodAt(us: number): Period {
    const n = this.lastAt(us);
    return { fromUs: this.at(n), toUs: this.at(n + 1) };
  }

  /** Those with fromUs ≤ instant ≤ toUs, ascending. */
  between(fromUs: number, toUs: number): number[] {
    const found: number[] = [];
    let n = this.lastAt(fromUs);
    if (this.at(n) < fromUs) n++;
    for (; this.at(n) <= toUs; n++) found.push(this.at(n));
    return found;
  }
}

function times(duration: Temporal.Duration, n: number): Temporal.Duration {
  const { years, months, weeks, days, hours, minutes, seconds } = duration;
  return Temporal.Duration.from({
    years: years * n,
    months: months * n,
    weeks: weeks * n,
    days: days * n,
    hours: hours * n,
    minutes: minutes * n,
    seconds: seconds * n,
  });
}

function typicalUs(duration: Temporal.Duration): number {
  const { years, months, weeks, days, hours, minutes, seconds } = duration;
  const calendarDays =
    years * typicalDays.years + months * typicalDays.months + weeks * typicalDays.weeks + days;
  return calendarDays * dayUs + ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
}
