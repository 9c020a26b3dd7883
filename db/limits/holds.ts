import { type Decimal, readDecimal } from '@usage/lib/decimal/decimal.ts';
import type { Executor, Sql } from '../connection/connect.ts';

/**
 * What reservations hold, by entitlement; those of which nothing is held are left out. A reservation counts as used while it
 * is open, has not expired, and the event that reports its usage is not stored. Whoever reads the usage in the same snapshot
 * counts every amount once: as a hold, or as the event.
 */
export async function heldAmounts(
  sql: Executor,
  entitlementIds: readonly string[],
): Promise<Map<string, Decimal>> {
  if (entitlementIds.length === 0) return new Map();
  const rows = await sql<{ id: string; amount: string }[]>`
    WITH open AS MATERIALIZED (
      SELECT entitlement_id AS id, amount, event_key FROM reservations
      WHERE state IN ('held', 'committed') AND expires_at > clock_timestamp()
        AND entitlement_id = ANY(string_to_array(${entitlementIds.join(',')}, ','))),
    stored AS MATERIALIZED (
      SELECT key FROM stored_keys(ARRAY(SELECT event_key FROM open WHERE event_key IS NOT NULL)) AS key)
    SELECT id, sum(amount)::text AS amount FROM open
    WHERE event_key IS NULL OR event_key NOT IN (SELECT key FROM stored) GROUP BY id`;
  return new Map(rows.map(({ id, amount }) => [id, readDecimal(amount)]));
}

export interface EndedReservations {
  ended: number;
  /** Of these, committed ones whose event never came. */
  unreported: number;
}

/** Ends at most `rowsMax` open reservations whose time is over: 'reported' where the event is stored, else 'expired'. */
export async function endExpired(sql: Sql, rowsMax: number): Promise<EndedReservations> {
  const rows = await sql<{ unreported: boolean }[]>`
    WITH due AS MATERIALIZED (
      SELECT id, state, event_key FROM reservations
      WHERE state IN ('held', 'committed') AND expires_at <= clock_timestamp()
      LIMIT ${rowsMax} FOR UPDATE SKIP LOCKED),
    stored AS MATERIALIZED (
      SELECT key FROM stored_keys(ARRAY(SELECT event_key FROM due WHERE event_key IS NOT NULL)) AS key),
    found AS (SELECT due.id, due.state, coalesce(event_key IN (SELECT key FROM stored), false) AS reported FROM due)
    UPDATE reservations AS r SET state = CASE WHEN found.reported THEN 'reported' ELSE 'expired' END, ended_at = now()
    FROM found WHERE r.id = found.id
    RETURNING found.state = 'committed' AND NOT found.reported AS unreported`;
  return { ended: rows.length, unreported: rows.filter((row) => row.unreported).length };
}

/**
 * Looks at the next `rowsMax` open reservations that name an event, by id from `after` on, and ends those whose event is
 * stored. `after` is where to go on; '' when all were looked at.
 */
export async function endReported(
  sql: Sql,
  after: string,
  rowsMax: number,
): Promise<{ ended: number; after: string }> {
  const [row] = await sql<{ ended: number; looked: number; last: string | null }[]>`
    WITH looked AS MATERIALIZED (
      SELECT id, event_key FROM reservations
      WHERE state IN ('held', 'committed') AND event_id IS NOT NULL AND id > ${after}
      ORDER BY id LIMIT ${rowsMax} FOR UPDATE SKIP LOCKED),
    stored AS MATERIALIZED (SELECT key FROM stored_keys(ARRAY(SELECT event_key FROM looked)) AS key),
    ended AS (
      UPDATE reservations AS r SET state = 'reported', ended_at = now() FROM looked
      WHERE r.id = looked.id AND looked.event_key IN (SELECT key FROM stored) RETURNING 1)
    SELECT (SELECT count(*)::int FROM ended) AS ended, (SELECT count(*)::int FROM looked) AS looked,
           (SELECT max(id) FROM looked) AS last`;
  const { ended, looked, last } = row!;
  return { ended, after: looked === rowsMax ? last! : '' };
}

/** Forgets at most `rowsMax` that ended so long ago. */
export async function dropReservations(sql: Sql, endedDaysAgo: number, rowsMax: number): Promise<number> {
  const { count } = await sql`
    DELETE FROM reservations WHERE id IN (
      SELECT id FROM reservations WHERE ended_at < now() - ${endedDaysAgo} * interval '1 day' LIMIT ${rowsMax})`;
  return count;
}
