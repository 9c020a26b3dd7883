import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Executor, Sql, Transaction } from '../connection/connect.ts';

/** What the watch over thresholds has to look at. */

/**
 * 'renewed' where this holder has had the lease without a break, 'taken' where it has it anew: another one may have had it
 * meanwhile. Another holder gets it once it has not been renewed for `seconds`: undefined while one has it.
 */
export async function takeLease(
  sql: Sql,
  name: string,
  holder: string,
  seconds: number,
): Promise<'renewed' | 'taken' | undefined> {
  const renewed = await sql`
    UPDATE limit_leases SET until = now() + ${seconds} * interval '1 second'
    WHERE name = ${name} AND holder = ${holder} RETURNING name`;
  if (renewed.length > 0) return 'renewed';
  const taken = await sql`
    INSERT INTO limit_leases AS l (name, holder, until) VALUES (${name}, ${holder}, now() + ${seconds} * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE l.until < now()
    RETURNING l.name`;
  return taken.length > 0 ? 'taken' : undefined;
}

export async function dropLease(sql: Sql, name: string, holder: string): Promise<void> {
  await sql`DELETE FROM limit_leases WHERE name = ${name} AND holder = ${holder}`;
}

export interface WatchedGeneration {
  generation: bigint;
  meterId: string;
  namespace: string;
}

export async function watchedGenerations(sql: Executor): Promise<WatchedGeneration[]> {
  return sql<WatchedGeneration[]>`
    SELECT build AS generation, meter_id AS "meterId", namespace FROM watched_generations`;
}

/** Of these generations, in the table of deltas and in the feed of those that were merged. */
export async function deltaIds(
  sql: Executor,
  generations: readonly bigint[],
): Promise<{ id: bigint; generation: bigint; isMerged: boolean }[]> {
  const builds = sql`(${generations.map(String)}::text[]::bigint[])`;
  return sql<{ id: bigint; generation: bigint; isMerged: boolean }[]>`
    SELECT id, build AS generation, false AS "isMerged" FROM deltas WHERE build = ANY${builds}
    UNION ALL
    SELECT id, build, true FROM delta_feed`;
}

/** Payload NULL: any subject of the generation may have been touched. */
export async function fedDeltas(
  sql: Executor,
  ids: readonly bigint[],
): Promise<{ id: bigint; payload: Buffer | null }[]> {
  return sql<{ id: bigint; payload: Buffer | null }[]>`
    SELECT id, payload FROM delta_feed WHERE id = ANY(${ids.map(String)}::text[]::bigint[])`;
}

export async function dropFed(sql: Executor, ids: readonly bigint[]): Promise<void> {
  if (ids.length > 0) await sql`DELETE FROM delta_feed WHERE id = ANY(${ids.map(String)}::text[]::bigint[])`;
}

/** That somebody changed an entitlement; in the transaction of the change. */
export async function noteEntitlementChange(tx: Transaction, entitlementId: string): Promise<void> {
  await tx`INSERT INTO entitlement_changes (entitlement_id) VALUES (${entitlementId})`;
}

export async function entitlementChanges(
  sql: Executor,
  rowsMax: number,
): Promise<{ id: bigint; entitlementId: string }[]> {
  return sql<{ id: bigint; entitlementId: string }[]>`
    SELECT id, entitlement_id AS "entitlementId" FROM entitlement_changes ORDER BY id LIMIT ${rowsMax}`;
}

export async function dropEntitlementChanges(sql: Executor, ids: readonly bigint[]): Promise<void> {
  if (ids.length > 0)
    await sql`DELETE FROM entitlement_changes WHERE id = ANY(${ids.map(String)}::text[]::bigint[])`;
}

/** Of events that were corrected, with a meter that takes them; subject NULL: any, meter NULL: none takes them any more. */
export async function correctedSubjects(
  sql: Executor,
  rowsMax: number,
): Promise<{ id: bigint; namespace: string; subject: string | null; meterId: string | null }[]> {
  return sql<{ id: bigint; namespace: string; subject: string | null; meterId: string | null }[]>`
    SELECT c.id, c.namespace, c.subject, m.id AS "meterId"
    FROM (SELECT * FROM corrected_subjects ORDER BY id LIMIT ${rowsMax}) c
    LEFT JOIN meters m ON m.namespace = c.namespace AND m.event_type = c.type AND m.deleted_at IS NULL`;
}

export async function dropCorrectedSubjects(sql: Executor, ids: readonly bigint[]): Promise<void> {
  if (ids.length > 0)
    await sql`DELETE FROM corrected_subjects WHERE id = ANY(${ids.map(String)}::text[]::bigint[])`;
}

/** Those whose balance changes by itself about now. */
export async function dueEntitlements(sql: Executor, rowsMax: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    SELECT id FROM entitlements WHERE deleted_at IS NULL AND next_change_at <= now() ORDER BY next_change_at LIMIT ${rowsMax}`;
  return rows.map(({ id }) => id);
}

/** Metered ones that are not deleted, by id from `after` on. */
export async function meteredEntitlements(
  sql: Executor,
  of: { namespace: string; featureIds?: readonly string[] | undefined; meterId?: string | undefined },
  after: string,
  rowsMax: number,
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    SELECT e.id FROM entitlements e JOIN features f ON f.id = e.feature_id
    WHERE e.namespace = ${of.namespace} AND e.deleted_at IS NULL AND e.type = 'metered' AND e.id > ${after}
      ${of.featureIds ? sql`AND e.feature_id = ANY(${[...of.featureIds]}::text[])` : sql``}
      ${of.meterId ? sql`AND f.meter_id = ${of.meterId}` : sql``}
    ORDER BY e.id LIMIT ${rowsMax}`;
  return rows.map(({ id }) => id);
}

/** By entitlement: resets up to this instant were notified. */
export async function resetsSeen(sql: Executor, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await sql<{ id: string; us: number }[]>`
    SELECT id, (extract(epoch FROM resets_seen_to) * 1000000)::float8 AS us FROM entitlements
    WHERE id = ANY(${[...ids]}::text[]) AND resets_seen_to IS NOT NULL`;
  return new Map(rows.map(({ id, us }) => [id, us]));
}

export interface LookedAt {
  id: string;
  resetsSeenToUs: number;
  /** undefined = nothing changes by itself any more. */
  nextChangeUs: number | undefined;
}

export async function noteLookedAt(sql: Executor, entitlements: readonly LookedAt[]): Promise<void> {
  if (entitlements.length === 0) return;
  const times = (of: (one: LookedAt) => number | undefined) =>
    entitlements.map((one) => {
      const us = of(one);
      return us === undefined ? null : formatTimeUs(us);
    });
  await sql`
    UPDATE entitlements e SET resets_seen_to = v.seen::timestamptz, next_change_at = v.next::timestamptz
    FROM unnest(${entitlements.map(({ id }) => id)}::text[], ${times((one) => one.resetsSeenToUs)}::text[],
                ${times((one) => one.nextChangeUs)}::text[]) AS v (id, seen, next)
    WHERE e.id = v.id AND (e.resets_seen_to IS DISTINCT FROM v.seen::timestamptz OR e.next_change_at IS DISTINCT FROM v.next::timestamptz)`;
}

/** Entitlements of namespaces without rules are not looked at when their balance changes by itself. */
export async function forgetDue(
  sql: Executor,
  ids: readonly string[],
  ruled: readonly string[],
): Promise<void> {
  await sql`
    UPDATE entitlements SET next_change_at = NULL
    WHERE id = ANY(${[...ids]}::text[]) AND next_change_at IS NOT NULL AND (namespace <> ALL(${[...ruled]}::text[]) OR deleted_at IS NOT NULL)`;
}
