import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import type { WindowSize } from '@usage/lib/windows/windows.ts';
import type { StoredMeter } from '../meters/meterRow.ts';
import type { DeltaCache, UsageMetrics } from './deltaCache.ts';

export interface UsageQuery {
  /** As of this moment of arrival, in µs since 1970, from the events themselves; undefined = now. */
  asOfUs?: number | undefined;
  fromUs: number | undefined;
  toUs: number | undefined;
  windows: { size: WindowSize; zone: string; anchor?: string | undefined } | undefined;
  /** Instead of from, to and windows: ascending instants, at least two; totals come for each range between two of them. */
  cuts?: readonly number[];
  /** undefined = all; where it is given, groupBySubject is true or there is one subject. */
  subjects: readonly string[] | undefined;
  groupBySubject: boolean;
  /** Group-by names of the meter. */
  groupBy: readonly string[];
  /** By group-by name. */
  filters: ReadonlyMap<string, TextFilter>;
  /** Of SUM and COUNT meters, by subject: what the totals come to is all that is asked for. */
  amountsOnly?: boolean;
}

export interface UsageRunner {
  deltas: DeltaCache;
  metrics: UsageMetrics;
  /** performance.now() at which the query must have ended. */
  deadlineMs: number;
  /** The present, in µs since 1970, up to which levels are known; undefined = the clock's. */
  nowUs?: number;
}

/** A query with its windows worked out. */
export interface UsageContext {
  meter: StoredMeter;
  query: UsageQuery;
  /** Ascending; what lies before the first or from the last on is not asked for. */
  cuts: readonly number[];
  /** Whether the first range between cuts is what came before those that are asked for: of levels over time. */
  isCarried: boolean;
  runner: UsageRunner;
}
