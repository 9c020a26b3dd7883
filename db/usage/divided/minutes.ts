import type { NamedCell } from '@usage/lib/cells/cells.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { bucketOf } from '../plan.ts';
import type { DividedMinute } from './rollupMinutes.ts';

/**
 * Decides for each minute that a cut divides: all of its cells, where each lies on one side, or all of its raw events.
 * Never both, so that every event counts once.
 */
export class DividedMinutes {
  #minutes: Map<number, { events: number; straddled: boolean; cells: NamedCell[] }>;

  constructor(
    readonly cuts: readonly number[],
    starts: readonly number[],
  ) {
    this.#minutes = new Map(starts.map((start) => [start, { events: 0, straddled: false, cells: [] }]));
  }

  addRollups(minutes: readonly DividedMinute[]): void {
    for (const { startUs, events, straddled } of minutes) {
      const minute = this.#minutes.get(startUs)!;
      minute.events += events;
      minute.straddled ||= straddled;
    }
  }

  /** Holds the cell back if its minute is divided; false if it isn't. */
  hold(one: NamedCell): boolean {
    const minute = this.#minutes.get(one.minute * minuteUs);
    if (!minute) return false;
    minute.cells.push(one);
    minute.events += one.cell.count;
    minute.straddled ||= bucketOf(this.cuts, one.cell.firstUs) !== bucketOf(this.cuts, one.cell.lastUs);
    return true;
  }

  /** Cells held back whose minute turned out to need no raw events. */
  wholeCells(): NamedCell[] {
    return [...this.#minutes.values()].flatMap(({ straddled, cells }) => (straddled ? [] : cells));
  }

  /** Starts of the minutes to be read from raw events, ascending, with the events that must be found there. */
  raw(): Map<number, number> {
    const raw = [...this.#minutes].filter(([, { straddled }]) => straddled).sort(([a], [b]) => a - b);
    return new Map(raw.map(([start, { events }]) => [start, events]));
  }
}
