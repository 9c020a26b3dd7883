import type { Sql } from '@usage/db/connection/connect.ts';
import {
  clearPending,
  dropSilentSeries,
  lockSeries,
  pendingSeries,
  type SeriesState,
  saveSeries,
} from '@usage/db/otlp/series.ts';
import { compareDecimals, formatDecimal, readDecimal, subtractDecimals } from '@usage/lib/decimal/decimal.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { fromDatabase } from '../database.ts';
import { elementsOf } from '../events/elements.ts';
import { eventsOf, hashOf } from './events.ts';
import type { Rule } from './mapping.ts';
import type { TelemetryRecord } from './records.ts';

export interface CumulativePoint {
  record: TelemetryRecord;
  rules: Rule[];
}

type Keep = (namespace: string, events: string[]) => Promise<void>;

const sweepMs = 60_000;
/** Whoever wrote it would have had its acknowledgement by now. */
const abandonedSeconds = 60;
const sweepMax = 500;
/** A series that comes back later is counted from its start again. */
const silentDays = 400;

/**
 * Differences of cumulative sums. A series is counted under a lock in the database, for each start of its process by itself: a
 * reset is a new start, or, where there is none, a value that has fallen. The first point counts in full: it was used since
 * the start. Events are written with the state and sent after the commit, again by somebody else where this gateway dies.
 */
export class CumulativeSums {
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly sql: Sql,
    readonly keep: Keep,
    readonly log: Logger,
  ) {}

  start(): void {
    this.#timer = setInterval(() => void this.sweep(), sweepMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Resolves once Redis has the events of all points. Adds to `rejected` the reasons of those that can't be events. */
  async count(namespace: string, points: readonly CumulativePoint[], rejected: string[]): Promise<void> {
    if (points.length === 0) return;
    const bySeries = Map.groupBy(points, ({ record }) => hashOf([namespace, record.identity]));
    const changed = await fromDatabase(
      this.sql.begin(async (tx) => {
        const states = await lockSeries(tx, namespace, [...bySeries.keys()]);
        const after = states.map((state) => counted(state, bySeries.get(state.key)!, rejected));
        await saveSeries(tx, after);
        return after.filter(({ pending }) => pending !== null);
      }) as Promise<SeriesState[]>,
    );
    if (changed.length === 0) return;
    await this.keep(
      namespace,
      changed.flatMap(({ pending }) => pendingEvents(pending!)),
    );
    // Should this fail the events are sent again, with the same ids.
    await clearPending(this.sql, changed).catch(() => {});
  }

  /** Sends what gateways left that died between their commit and the acknowledgement. */
  async sweep(seconds = abandonedSeconds): Promise<void> {
    try {
      for (const { namespace, key, pending } of await pendingSeries(this.sql, seconds, sweepMax)) {
        await this.keep(namespace, pendingEvents(pending));
        await clearPending(this.sql, [{ key, pending }]);
      }
      await dropSilentSeries(this.sql, silentDays, sweepMax);
    } catch (error) {
      this.log.warn({ err: error }, 'events of cumulative sums wait to be sent');
    }
  }
}

/** The state after the points, the oldest first; a point that isn't newer than the last one is in its value already. */
function counted(before: SeriesState, points: CumulativePoint[], rejected: string[]): SeriesState {
  const state = { ...before };
  const events: string[] = state.pending === null ? [] : pendingEvents(state.pending);
  for (const { record, rules } of points.sort(byTime)) {
    const { isMonotonic, value } = record.cumulative!;
    if (record.timeNs <= BigInt(state.counted_ns)) continue;
    const [last, now] = [readDecimal(state.value), readDecimal(value)];
    const isReset = isMonotonic && compareDecimals(now, last) < 0;
    const difference = isReset ? now : subtractDecimals(now, last);
    state.counted_ns = String(record.timeNs);
    state.value = formatDecimal(now);
    if (compareDecimals(difference, 0) === 0) continue;
    const fields = new Map(record.fields).set('value', JSON.rawJSON(formatDecimal(difference)));
    const identity = [...record.identity, String(record.timeNs)];
    try {
      events.push(...eventsOf({ ...record, fields, identity }, rules, 0));
    } catch (error) {
      rejected.push((error as Error).message);
    }
  }
  state.pending = events.length === 0 ? null : `[${events.join(',')}]`;
  return state;
}

function byTime(a: CumulativePoint, b: CumulativePoint): number {
  return a.record.timeNs < b.record.timeNs ? -1 : 1;
}

/** Each as JSON, with every digit as it was written. */
function pendingEvents(pending: string): string[] {
  return elementsOf(pending);
}
