import { cellOf } from '@usage/lib/cells/cell.ts';
import type { NamedCell } from '@usage/lib/cells/cells.ts';
import { passes } from '@usage/lib/filter/textFilter.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { compileMeter } from '@usage/lib/meter/evaluate.ts';
import { groupByNames } from '@usage/lib/meter/meter.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import type { Transaction } from '../connection/connect.ts';
import type { StoredMeter } from '../meters/meterRow.ts';
import type { Accumulator } from './accumulator.ts';
import type { UsageContext, UsageQuery } from './context.ts';
import { bucketOf, floorTo } from './plan.ts';
import { eventsInRanges } from './sql/events.ts';
import type { TimeRange } from './sql/pieces.ts';

/** The query took longer than it may. */
export class UsageTimeout extends Error {}

/** Adds what the database does not sum: cells of deltas, and raw events. */
export class EventSums {
  readonly #context: UsageContext;
  readonly #measure;
  readonly #accepts: (subject: string, groups: readonly string[]) => boolean;
  readonly #indexes;

  constructor(context: UsageContext) {
    this.#context = context;
    this.#measure = compileMeter(context.meter);
    const { acceptsSubject, acceptsGroups } = acceptor(
      context.meter,
      context.query,
      context.runner.deadlineMs,
    );
    this.#accepts = (subject: string, groups: readonly string[]) =>
      (acceptsSubject?.(subject) ?? true) && acceptsGroups(groups);
    this.#indexes = indexesOf(context.meter, context.query.groupBy);
  }

  /** A cell that lies within one bucket, or outside of all. */
  addCell(accumulator: Accumulator, { subject, groups, cell }: Omit<NamedCell, 'minute'>): void {
    const { cuts, query } = this.#context;
    const bucket = bucketOf(cuts, cell.firstUs);
    if (bucket === 0 || bucket === cuts.length) return;
    const key = this.#indexes.map((index) => groups[index]!);
    accumulator.add(bucket, query.groupBySubject ? [subject, ...key] : key, cell);
  }

  /** The events in the ranges that count for the query; `found` takes how many of them each minute has. */
  async addEvents(
    accumulator: Accumulator,
    tx: Transaction,
    ranges: TimeRange[],
    reason: 'divided_minute' | 'corrected_minute' | 'meter_in_backfill' | 'as_of',
    found?: Map<number, number>,
  ): Promise<void> {
    const { meter, query, runner } = this.#context;
    const { subjects, asOfUs } = query;
    const of = { namespace: meter.namespace, type: meter.eventType, subjects, asOfUs };
    for await (const rows of eventsInRanges(tx, of, ranges, this.#measure.readsAttributes)) {
      if (performance.now() > runner.deadlineMs) throw new UsageTimeout();
      runner.metrics.rawEvents.inc({ reason }, rows.length);
      for (const event of rows) {
        const { time_us: timeUs, subject, data } = event;
        const measured = this.#measure.measure(data === null ? undefined : parseJson(data), event);
        if (typeof measured !== 'object' || !this.#accepts(subject, measured.groups)) continue;
        this.addCell(accumulator, {
          subject,
          groups: measured.groups,
          cell: cellOf(meter.aggregation, timeUs, measured),
        });
        if (!found) continue;
        const minute = floorTo(timeUs, minuteUs);
        found.set(minute, (found.get(minute) ?? 0) + 1);
      }
    }
  }
}

/** Whether events of a subject (undefined: of any), and with these group values, are asked for; each value is looked at once. */
export function acceptor(meter: StoredMeter, { subjects, filters }: UsageQuery, deadlineMs: number) {
  const wanted = subjects && new Set(subjects);
  const names = groupByNames(meter);
  const tests = [...filters].map(([name, filter]) => {
    const known = new Map<string, boolean>();
    const index = names.indexOf(name);
    return (groups: readonly string[]) => {
      const text = groups[index]!;
      let verdict = known.get(text);
      if (verdict === undefined) {
        if (performance.now() > deadlineMs) throw new UsageTimeout();
        verdict = passes(filter, text);
        known.set(text, verdict);
      }
      return verdict;
    };
  });
  return {
    acceptsSubject: wanted && ((subject: string) => wanted.has(subject)),
    acceptsGroups: (groups: readonly string[]) => tests.every((test) => test(groups)),
  };
}

/** Where group-by names stand in a meter's group values. */
export function indexesOf(meter: StoredMeter, groupBy: readonly string[]): number[] {
  const names = groupByNames(meter);
  return groupBy.map((name) => names.indexOf(name));
}
