import type { Executor } from '../../connection/connect.ts';
import { timesOf } from '../../connection/times.ts';
import { parameters, type UsageScope } from '../sql/rollupSums.ts';

export interface DividedMinute {
  startUs: number;
  /** Events of the scope in the rollups. */
  events: number;
  /** Whether a cell lies on both sides of a cut. */
  straddled: boolean;
}

/** Those of the minutes that hold cells of the scope. */
export async function dividedMinutes(
  tx: Executor,
  scope: UsageScope,
  cuts: readonly number[],
  minutes: readonly number[],
): Promise<DividedMinute[]> {
  const rows = await tx<{ start_us: number; events: number; straddled: boolean }[]>`
    WITH ${parameters(tx, scope, cuts)}
    SELECT (extract(epoch FROM start) * 1000000)::float8 AS start_us, sum(count)::float8 AS events,
           bool_or(width_bucket(first_at, (SELECT cuts FROM p)) <> width_bucket(last_at, (SELECT cuts FROM p))) AS straddled
    FROM rollup_minutes
    WHERE series_id = ANY((SELECT ids FROM p)::bigint[]) AND start = ANY(${timesOf(tx, minutes)})
    GROUP BY start`;
  return rows.map((row) => ({ startUs: row.start_us, events: row.events, straddled: row.straddled }));
}
