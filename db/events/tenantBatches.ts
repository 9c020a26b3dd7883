import type { Fragment } from 'postgres';
import { countedBatch } from '../backfills/counted.ts';
import type { Executor } from '../connection/connect.ts';
import { timeOf, timesOf } from '../connection/times.ts';

/**
 * The batches that may hold events of a namespace and type within a few ranges of their times, which ascend; those that are not
 * described yet (batchTypes.ts) may hold any. Batches of backfills that don't count are left out.
 */
export async function batchesHolding(
  tx: Executor,
  { namespace, type, asOfUs }: { namespace: string; type: string; asOfUs?: number | undefined },
  ranges: readonly { fromUs: number; toUs: number }[],
): Promise<bigint[]> {
  const since = timesOf(
    tx,
    ranges.map(({ fromUs }) => fromUs),
  );
  const until = timesOf(
    tx,
    ranges.map(({ toUs }) => toUs),
  );
  const rows = await tx<{ id: bigint }[]>`
    SELECT batch_id AS id FROM batch_types
    WHERE namespace = ${namespace} AND type = ${type}
      AND last_time >= ${timeOf(tx, ranges[0]!.fromUs)} AND first_time < ${timeOf(tx, ranges.at(-1)!.toUs)}
      AND EXISTS (
        SELECT FROM unnest(${since}, ${until}) AS r (since, until) WHERE last_time >= r.since AND first_time < r.until)
      AND ${countedBatch(tx, tx`batch_types.batch_id`, asOfUs)}
    UNION SELECT id FROM batches WHERE NOT described ORDER BY id`;
  return rows.map((row) => row.id);
}

/** Batches, at least one. */
export interface ArrivedBatches {
  ids: bigint[];
  /**
   * The days on which their events arrived, YYYY-MM-DD, UTC, both included: the chunks of other days aren't even opened.
   * undefined where some were stored before `period` was the day of arrival.
   */
  days: { from: string; to: string } | undefined;
}

/**
 * The batches that may hold events of a namespace that count, of the type and within the range of their times where these are given;
 * undefined where there are none.
 */
export async function batchesOfTenant(
  tx: Executor,
  namespace: string,
  {
    type,
    fromUs,
    toUs,
  }: { type?: string | undefined; fromUs?: number | undefined; toUs?: number | undefined },
): Promise<ArrivedBatches | undefined> {
  const [row] = await tx<{ ids: bigint[] | null; from_day: string; to_day: string; by_day: boolean }[]>`
    SELECT array_agg(DISTINCT id) AS ids, to_char(min(arrived_from) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS from_day,
           to_char(max(arrived_to) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS to_day,
           bool_and(by_day) AS by_day
    FROM (
      SELECT t.batch_id AS id, t.first_arrived AS arrived_from, t.last_arrived AS arrived_to,
             b.identity_table IS NOT NULL AS by_day
      FROM batch_types t LEFT JOIN batches b ON b.id = t.batch_id
      WHERE t.namespace = ${namespace}
        ${type === undefined ? tx`` : tx`AND t.type = ${type}`}
        ${fromUs === undefined ? tx`` : tx`AND t.last_time >= ${timeOf(tx, fromUs)}`}
        ${toUs === undefined ? tx`` : tx`AND t.first_time < ${timeOf(tx, toUs)}`}
        AND ${countedBatch(tx, tx`t.batch_id`)}
      UNION ALL SELECT id, arrived_from, arrived_to, identity_table IS NOT NULL
      FROM batches WHERE NOT described AND events > 0) found`;
  if (!row?.ids) return undefined;
  return { ids: row.ids, days: row.by_day ? { from: row.from_day, to: row.to_day } : undefined };
}

/** With fewer than one batch in so many between the first and the last, each is looked for by itself. */
const sparseFactor = 4;

/**
 * The events of some batches, at least one, as a subquery without a name; `condition` calls them e. The brin index on batch_id
 * finds a range of batches at once; where most of the range is of other batches, and there are at most `sparseMax`, each
 * batch is looked for by itself.
 */
export function eventsOfBatches(
  tx: Executor,
  batches: readonly bigint[],
  condition: Fragment,
  sparseMax: number,
) {
  const ids = [...batches].sort((a, b) => (a < b ? -1 : 1));
  const list = tx`${ids.map(String)}::bigint[]`;
  const [first, last] = [ids[0]!, ids.at(-1)!];
  if (last - first < BigInt(ids.length * sparseFactor) || ids.length > sparseMax)
    return tx`(SELECT e.* FROM events e
               WHERE e.batch_id BETWEEN ${first} AND ${last} AND e.batch_id = ANY(${list}) AND ${condition})`;
  return tx`(SELECT found.* FROM unnest(${list}) AS batch (id)
             CROSS JOIN LATERAL (SELECT e.* FROM events e WHERE e.batch_id = batch.id AND ${condition} OFFSET 0) found)`;
}
