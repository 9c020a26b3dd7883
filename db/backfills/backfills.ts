import type { Executor, Transaction } from '../connection/connect.ts';

/** Which events a backfill replaces; times in µs since 1970, `fromUs` inclusive, `toUs` exclusive. */
export interface Replaces {
  types: string[];
  /** undefined = of all subjects. */
  subjects: string[] | undefined;
  fromUs: number;
  toUs: number;
}

export interface StoredBackfill {
  number: bigint;
  id: string;
  reason: string;
  replaces_types: string[] | null;
  replaces_subjects: string[] | null;
  replaces_from_us: number | null;
  replaces_to_us: number | null;
  created_at: Date;
  created_by: string;
  closed_at: Date | null;
  closed_by: string | null;
  reverted_at: Date | null;
  reverted_by: string | null;
  counted: number | null;
  duplicates: number | null;
  replaced: number | null;
  identity_table: number | null;
  /** Stored until now. */
  events: number;
}

function columns(sql: Executor) {
  return sql`f.number, f.id, f.reason, f.replaces_types, f.replaces_subjects,
    (extract(epoch FROM f.replaces_from) * 1000000)::float8 AS replaces_from_us,
    (extract(epoch FROM f.replaces_to) * 1000000)::float8 AS replaces_to_us,
    f.created_at, f.created_by, f.closed_at, f.closed_by, f.reverted_at, f.reverted_by, f.counted::float8 AS counted,
    f.duplicates::float8 AS duplicates, f.replaced::float8 AS replaced, f.identity_table,
    coalesce((SELECT sum(events) FROM backfill_batches o WHERE o.backfill = f.number), 0)::float8 AS events`;
}

export interface NewBackfill {
  id: string;
  reason: string;
  replaces: Replaces | undefined;
}

/** False where there is one of this id. */
export async function insertBackfill(
  tx: Transaction,
  namespace: string,
  actor: string,
  { id, reason, replaces }: NewBackfill,
): Promise<boolean> {
  const us = (at: number | undefined) => at ?? null;
  const { count } = await tx`
    INSERT INTO event_backfills (namespace, id, reason, created_by, replaces_types, replaces_subjects, replaces_from, replaces_to)
    SELECT ${namespace}, ${id}, ${reason}, ${actor}, ${replaces?.types ?? null}::text[], ${replaces?.subjects ?? null}::text[],
           epoch + ${us(replaces?.fromUs)}::float8 * unit, epoch + ${us(replaces?.toUs)}::float8 * unit
    FROM (SELECT timestamptz 'epoch' AS epoch, INTERVAL '1 microsecond' AS unit) u
    ON CONFLICT (namespace, id) DO NOTHING`;
  return count > 0;
}

export async function getBackfill(
  sql: Executor,
  namespace: string,
  id: string,
): Promise<StoredBackfill | undefined> {
  const [row] = await sql<StoredBackfill[]>`
    SELECT ${columns(sql)} FROM event_backfills f WHERE f.namespace = ${namespace} AND f.id = ${id}`;
  return row;
}

/** Waits for the batches that store events of it, and keeps others from it until the transaction ends. */
export async function lockBackfill(
  tx: Transaction,
  namespace: string,
  id: string,
): Promise<StoredBackfill | undefined> {
  await tx`SELECT FROM event_backfills WHERE namespace = ${namespace} AND id = ${id} FOR UPDATE`;
  return getBackfill(tx, namespace, id);
}

/** The newest first, older than the one of `beforeNumber`. */
export async function listBackfills(
  sql: Executor,
  namespace: string,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<StoredBackfill[]> {
  return sql<StoredBackfill[]>`
    SELECT ${columns(sql)} FROM event_backfills f
    WHERE f.namespace = ${namespace}
      ${before === undefined ? sql`` : sql`AND f.number < (SELECT number FROM event_backfills WHERE namespace = ${namespace} AND id = ${before})`}
    ORDER BY f.number DESC LIMIT ${limit}`;
}

export interface Closing {
  counted: number;
  duplicates: number;
  replaced: number;
  identityTable: number;
}

/** From the commit on the backfill's events count. */
export async function markClosed(
  tx: Transaction,
  number: bigint,
  actor: string,
  { counted, duplicates, replaced, identityTable }: Closing,
): Promise<void> {
  await tx`
    UPDATE event_backfills SET closed_at = now(), closed_by = ${actor}, counted = ${counted}, duplicates = ${duplicates},
      replaced = ${replaced}, identity_table = ${identityTable}
    WHERE number = ${number}`;
}

export async function markReverted(tx: Transaction, number: bigint, actor: string): Promise<void> {
  await tx`UPDATE event_backfills SET reverted_at = now(), reverted_by = ${actor} WHERE number = ${number}`;
}

/**
 * A backfill in force that was closed after this one and replaces events in a range where this one, or what it replaced, has
 * some; undefined where there is none.
 */
export async function laterReplacing(sql: Executor, number: bigint): Promise<{ id: string } | undefined> {
  const [row] = await sql<{ id: string }[]>`
    SELECT later.id FROM event_backfills f
    JOIN event_backfills later ON later.namespace = f.namespace AND later.number <> f.number AND later.closed_at >= f.closed_at
    WHERE f.number = ${number} AND later.reverted_at IS NULL AND later.replaces_from IS NOT NULL AND (
      EXISTS (SELECT FROM backfill_batches o JOIN batch_types t USING (batch_id)
              WHERE o.backfill = f.number AND t.type = ANY(later.replaces_types)
                AND t.last_time >= later.replaces_from AND t.first_time < later.replaces_to)
      OR (f.replaces_types && later.replaces_types AND f.replaces_from < later.replaces_to AND later.replaces_from < f.replaces_to))
    ORDER BY later.closed_at DESC, later.number DESC LIMIT 1`;
  return row;
}

/** Keys that nobody needs any more: the identity table that took them is gone, or none ever will. */
export async function dropSpentKeys(sql: Executor, keysMax: number): Promise<number> {
  const { count } = await sql`
    DELETE FROM backfill_keys k USING (
      SELECT backfill, key FROM backfill_keys WHERE backfill IN (
        SELECT f.number FROM event_backfills f
        WHERE (f.closed_at IS NOT NULL OR f.reverted_at < now() - interval '1 day')
          AND NOT EXISTS (SELECT FROM identity_tables i WHERE i.number = f.identity_table))
      LIMIT ${keysMax}) spent
    WHERE k.backfill = spent.backfill AND k.key = spent.key`;
  return count;
}
