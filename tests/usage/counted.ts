import type { Scenario } from './arbitraries.ts';
import type { OracleEvent } from './oracle.ts';

/** A stored event. */
interface Copy {
  of: 'outside' | 'backfill';
  came: OracleEvent;
  /** As it counts; undefined = it doesn't. */
  version: OracleEvent | undefined;
  /** Who made the correction in force. */
  corrected: 'user' | 'closing' | 'reverting' | undefined;
  /** What a closing put out of count. */
  amended: OracleEvent | undefined;
}

/** Which events count, in the plainest way: what docs/corrections.md says of corrections and backfills, one event at a time. */
export class Counted {
  #copies: Copy[] = [];
  #state: 'open' | 'closed' | 'reverted' = 'open';

  events(): OracleEvent[] {
    return this.#copies.flatMap((copy) => (this.#isHidden(copy) ? [] : (copy.version ?? [])));
  }

  /** Ids of the events outside of the backfill. */
  ids(): string[] {
    return this.#copies.filter(({ of }) => of === 'outside').map(({ came }) => came.id);
  }

  store(events: readonly OracleEvent[]): void {
    for (const event of events) {
      const isTaken = this.#copies.some(
        ({ came, of }) => came.id === event.id && (of === 'outside' || this.#state === 'closed'),
      );
      if (!isTaken) this.#add('outside', event);
    }
  }

  storeInBackfill(events: readonly OracleEvent[]): void {
    for (const event of events)
      if (!this.#copies.some(({ of, came }) => of === 'backfill' && came.id === event.id))
        this.#add('backfill', event);
  }

  /** Voids the event, or amends it. */
  correct(id: string, version: OracleEvent | undefined): void {
    const copies = this.#copies.filter((copy) => copy.came.id === id && !this.#isHidden(copy));
    const counted = copies.filter((copy) => copy.version);
    const outside = copies.filter(({ of }) => of === 'outside');
    const none = version ? [...outside, ...copies].slice(0, 1) : [];
    for (const copy of counted.length > 0 ? counted : none)
      Object.assign(copy, { version, corrected: 'user' });
  }

  undoCorrections(): void {
    for (const copy of this.#copies)
      if (copy.corrected === 'user') Object.assign(copy, { version: copy.came, corrected: undefined });
  }

  close(replaces: Scenario['backfill']['replaces']): void {
    const isReplaced = ({ of, version }: Copy) =>
      of === 'outside' &&
      replaces &&
      version &&
      version.timeUs >= replaces.fromUs &&
      version.timeUs < replaces.toUs &&
      (replaces.subjects?.includes(version.subject) ?? true);
    const replaced = new Set(this.#copies.filter(isReplaced));
    const staying = new Set(
      this.#copies.filter((copy) => copy.of === 'outside' && !replaced.has(copy)).map(({ came }) => came.id),
    );
    for (const copy of this.#copies) {
      if (!replaced.has(copy) && !(copy.of === 'backfill' && staying.has(copy.came.id))) continue;
      copy.amended = copy.corrected === undefined ? undefined : copy.version;
      Object.assign(copy, { version: undefined, corrected: 'closing' });
    }
    this.#state = 'closed';
  }

  revert(): void {
    for (const copy of this.#copies) {
      if (copy.corrected !== 'closing') continue;
      copy.version = copy.amended ?? copy.came;
      copy.corrected = copy.amended ? 'reverting' : undefined;
    }
    this.#state = 'reverted';
  }

  #add(of: Copy['of'], came: OracleEvent): void {
    this.#copies.push({ of, came, version: came, corrected: undefined, amended: undefined });
  }

  #isHidden({ of }: Copy): boolean {
    return of === 'backfill' && this.#state !== 'closed';
  }
}
