import type { Fragment } from 'postgres';
import type { Executor } from '../../connection/connect.ts';
import { timeOf, timesOf } from '../../connection/times.ts';
import type { Grain } from '../../rollups/rollups.ts';

export interface TimeRange {
  fromUs: number;
  toUs: number;
}

/** Which cells of which rollups are read: each lies within one bucket, and no event is in two of them. */
export interface UsagePieces {
  cuts: readonly number[];
  /** Whole UTC days. */
  days: readonly TimeRange[];
  hours: readonly TimeRange[];
  /** Hours of the ranges that hold a cut are left out; without it there are none. */
  hoursDivided: boolean;
  minutes: readonly TimeRange[];
}

/** The grains that something is read of. */
export function grainsOf(pieces: UsagePieces): Grain[] {
  return (['day', 'hour', 'minute'] as const).filter((grain) => rangesOf(pieces, grain).length > 0);
}

function rangesOf(pieces: UsagePieces, grain: Grain): readonly TimeRange[] {
  if (grain === 'day') return pieces.days;
  return grain === 'hour' ? pieces.hours : pieces.minutes;
}

/**
 * The rows of a grain's table for the pieces, as a subquery without a name; `p` has the ids of the series, and the cuts.
 * One range is read in the order of the index. Of several, OFFSET 0 keeps the planner from reading all rows of the
 * series for each range.
 */
export function cellsOf(tx: Executor, pieces: UsagePieces, grain: Grain, table: Fragment) {
  const ranges = rangesOf(pieces, grain);
  const undivided =
    grain === 'hour' && pieces.hoursDivided
      ? tx`AND width_bucket(start, (SELECT cuts FROM p))
             = width_bucket(start + interval '59 minutes 59.999999 seconds', (SELECT cuts FROM p))`
      : tx``;
  const rows = tx`SELECT * FROM ${table} WHERE series_id = ANY((SELECT ids FROM p)::bigint[]) ${undivided}`;
  const [range] = ranges;
  if (range && ranges.length === 1) {
    return tx`(${rows} AND start >= ${timeOf(tx, range.fromUs)} AND start < ${timeOf(tx, range.toUs)})`;
  }
  const since = ranges.map(({ fromUs }) => fromUs);
  const until = ranges.map(({ toUs }) => toUs);
  return tx`(
      SELECT found.* FROM unnest(${timesOf(tx, since)}, ${timesOf(tx, until)}) AS r (since, until)
      CROSS JOIN LATERAL (${rows} AND start >= r.since AND start < r.until OFFSET 0) found
    )`;
}

/**
 * Which bucket a row lies in. Hours and days lie whole in one; minutes of which a part is not asked for may lie outside
 * of all, and a cell's first event says on which side.
 */
export function bucketOfRow(tx: Executor, { cuts }: UsagePieces, grain: Grain) {
  if (cuts.length > 2)
    return tx`width_bucket(${grain === 'minute' ? tx`first_at` : tx`start`}, (SELECT cuts FROM p))`;
  if (grain !== 'minute') return tx`1`;
  return tx`CASE WHEN first_at < (SELECT cuts[1] FROM p) THEN 0 WHEN first_at < (SELECT cuts[2] FROM p) THEN 1 ELSE 2 END`;
}

export function unionAll(tx: Executor, selects: readonly Fragment[]): Fragment {
  return selects.reduce((all, select) => tx`${all} UNION ALL ${select}`);
}
