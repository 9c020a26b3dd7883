import type { Executor, Transaction } from '../connection/connect.ts';
import { sendCopy } from '../connection/copy.ts';

/**
 * Keys of identities (16 bytes each, as hex text) in an identity table, which is named by its number. How they are made:
 * apps/processor/reading/identity.ts.
 */
const tableOf = (number: number) => `identities_${number}`;

/**
 * Appends keys; `rows` is a complete binary COPY of them. Rejects with SQLSTATE 23505 where one is there already; the
 * transaction is aborted then.
 */
export async function copyIdentities(tx: Transaction, table: number, rows: Uint8Array): Promise<void> {
  await sendCopy(await tx.unsafe(`COPY ${tableOf(table)} (key) FROM STDIN (FORMAT binary)`).writable(), rows);
}

/**
 * Adds the keys that are not there yet and returns them. Waits for other transactions that are adding one of them: send
 * keys in ascending order, so that two such transactions don't wait for each other.
 */
export async function insertIdentities(tx: Transaction, table: number, keys: string[]): Promise<string[]> {
  const rows = await tx<{ key: string }[]>`
    INSERT INTO ${tx(tableOf(table))} (key) SELECT key FROM unnest(${keys}::uuid[]) key
    ON CONFLICT DO NOTHING RETURNING encode(uuid_send(key), 'hex') AS key`;
  return rows.map(({ key }) => key);
}

/** Those of the keys that are in the table. */
export async function findIdentities(sql: Executor, table: number, keys: string[]): Promise<string[]> {
  // LATERAL … LIMIT keeps the planner, which knows nothing of the array, from reading the whole table.
  const rows = await sql<{ key: string }[]>`
    SELECT encode(uuid_send(wanted.key), 'hex') AS key FROM unnest(${keys}::uuid[]) wanted (key)
    CROSS JOIN LATERAL (SELECT FROM ${sql(tableOf(table))} i WHERE i.key = wanted.key LIMIT 1) stored`;
  return rows.map(({ key }) => key);
}
