import type { Executor, Sql, Transaction } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';
import { lockRegistry } from '../meters/registry.ts';

/**
 * Identity tables: one takes the keys of what is stored now, closed ones are only looked into.
 *
 *   - A batch is committed, under the shared lock of the registry, only while the table that it wrote its keys to is the open
 *     one. So all keys of a closed table were committed before the next one was opened, and a look into it misses none.
 *   - A table is dropped once every event that may still be stored arrived more than the dedupe window after all of its
 *     events. What may still be stored arrived no earlier than the oldest frame of the stream.
 *   - Only an older copy of the stream brings back frames that arrived before `droppedToMs`: their events are looked for
 *     among those that are stored.
 */
export interface IdentityTables {
  /** The number of the open one. */
  open: number;
  closed: ClosedTable[];
  /** The latest arrival of an event whose identity is in a table that was dropped, in ms since 1970. */
  droppedToMs: number;
  /** Of the database that these are the tables of. */
  incarnation: Incarnation;
}

export interface ClosedTable {
  number: number;
  /** No event of its keys arrived later, in ms since 1970. */
  arrivedToMs: number;
  /** Its largest key that begins with a time, as hex text; undefined where it has none. */
  newestOrdered: string | undefined;
}

/** Keys from here on begin with no time: their ids carry none. */
const unordered = 'ff000000-0000-0000-0000-000000000000';

export async function readIdentityTables(sql: Executor): Promise<IdentityTables> {
  const rows = await sql<
    {
      number: number;
      closed: boolean;
      arrived_to: number | null;
      newest: string | null;
      dropped_to: number;
      incarnation: Incarnation;
    }[]
  >`
    SELECT number, closed_at IS NOT NULL AS closed, (extract(epoch FROM arrived_to) * 1000)::float8 AS arrived_to,
           encode(uuid_send(newest_ordered), 'hex') AS newest, ${incarnation(sql)} AS incarnation,
           (SELECT extract(epoch FROM identities_dropped_to) * 1000 FROM storage_settings)::float8 AS dropped_to
    FROM identity_tables ORDER BY number`;
  const open = rows.find(({ closed }) => !closed);
  if (!open) throw new Error('no identity table is open: the schema is not complete, run migrate');
  const closed = rows
    .filter((row) => row.closed)
    .map(({ number, arrived_to: arrivedTo, newest }) => ({
      number,
      arrivedToMs: arrivedTo ?? Number.POSITIVE_INFINITY,
      newestOrdered: newest ?? undefined,
    }));
  return { open: open.number, closed, droppedToMs: open.dropped_to, incarnation: open.incarnation };
}

/**
 * Closes the open table and opens the next one, if it was opened `ageMs` ago or longer. Returns the number of the new one,
 * undefined where it is too early. Batches wait meanwhile, some milliseconds.
 */
export async function closeIdentityTable(sql: Sql, ageMs: number): Promise<number | undefined> {
  return (await sql.begin(async (tx) => {
    await lockRegistry(tx);
    const [open] = await tx<{ number: number }[]>`
      SELECT number FROM identity_tables
      WHERE closed_at IS NULL AND opened_at <= now() - ${ageMs}::float8 * INTERVAL '1 millisecond'`;
    if (!open) return undefined;
    const next = open.number + 1;
    await tx`
      UPDATE identity_tables SET closed_at = clock_timestamp(),
        arrived_to = (SELECT max(arrived_to) FROM batches),
        newest_ordered = (SELECT key FROM ${tx(`identities_${open.number}`)} WHERE key < ${unordered} ORDER BY key DESC LIMIT 1)
      WHERE number = ${open.number}`;
    await createIdentityTable(tx, next);
    await tx`INSERT INTO identity_tables (number, opened_at) VALUES (${next}, clock_timestamp())`;
    return next;
  })) as number | undefined;
}

async function createIdentityTable(tx: Transaction, number: number): Promise<void> {
  await tx.unsafe(`CREATE TABLE identities_${number} (key uuid PRIMARY KEY)`);
}

/** Drops the closed tables whose events all arrived before `arrivedBeforeMs`; returns their numbers. */
export async function dropIdentityTables(sql: Sql, arrivedBeforeMs: number): Promise<number[]> {
  return (await sql.begin(async (tx) => {
    const old = await tx<{ number: number }[]>`
      WITH dropped AS (
        DELETE FROM identity_tables
        WHERE closed_at IS NOT NULL AND coalesce(arrived_to, '-infinity') < to_timestamp(${arrivedBeforeMs}::float8 / 1000)
        RETURNING number, arrived_to
      ), remembered AS (
        UPDATE storage_settings
        SET identities_dropped_to = greatest(identities_dropped_to, (SELECT max(arrived_to) FROM dropped))
        WHERE EXISTS (SELECT FROM dropped)
      )
      SELECT number FROM dropped ORDER BY number`;
    for (const { number } of old) await tx.unsafe(`DROP TABLE identities_${number}`);
    return old.map(({ number }) => number);
  })) as number[];
}
