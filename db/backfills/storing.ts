import type { Executor, Transaction } from '../connection/connect.ts';

/**
 * Holds a backfill as it is until the transaction ends: who closes it waits. undefined where there is none of this id.
 */
export async function holdBackfill(
  tx: Transaction,
  namespace: string,
  id: string,
): Promise<{ number: bigint; isOpen: boolean } | undefined> {
  const [row] = await tx<{ number: bigint; is_open: boolean }[]>`
    SELECT number, closed_at IS NULL AND reverted_at IS NULL AS is_open
    FROM event_backfills WHERE namespace = ${namespace} AND id = ${id} FOR SHARE`;
  return row && { number: row.number, isOpen: row.is_open };
}

/** An identity within a backfill: its key as hex text (apps/processor/reading/identity.ts). */
export interface BackfillKey {
  key: string;
  source: string;
  id: string;
}

/** Adds the keys that are not in the backfill yet and returns them; send them in ascending order. */
export async function addBackfillKeys(
  tx: Transaction,
  backfill: bigint,
  keys: readonly BackfillKey[],
): Promise<string[]> {
  const rows = await tx<{ key: string }[]>`
    INSERT INTO backfill_keys (backfill, key, source, event_id)
    SELECT ${backfill}, key, source, id
    FROM unnest(${keys.map(({ key }) => key)}::uuid[], ${keys.map(({ source }) => source)}::text[],
                ${keys.map(({ id }) => id)}::text[]) AS k (key, source, id)
    ON CONFLICT DO NOTHING RETURNING encode(uuid_send(key), 'hex') AS key`;
  return rows.map(({ key }) => key);
}

/** The batch is one of the backfill's, in the transaction that stores it. */
export async function insertBackfillBatch(
  sql: Executor,
  batchId: bigint,
  backfill: bigint,
  events: number,
): Promise<void> {
  await sql`INSERT INTO backfill_batches (batch_id, backfill, events) VALUES (${batchId}, ${backfill}, ${events})`;
}
