import type { Executor, Transaction } from '@usage/db/connection/connect.ts';
import { findIdentities, insertIdentities } from '@usage/db/events/identities.ts';
import type { ClosedTable, IdentityTables } from '@usage/db/events/identityTables.ts';
import { idsArrivedAt, type StoredId } from '@usage/db/events/storedIds.ts';
import { contentOf, keyOf, type Row } from './batch.ts';

/** Keys from here on begin with no time (reading/identity.ts). */
const unordered = 'ff';

/** Keys of the rows, as hex text, that were stored before the open identity table was opened. */
export async function knownKeys(
  tx: Transaction,
  plan: { rows: readonly Row[]; extent: { fromMs: number } },
  tables: Pick<IdentityTables, 'closed' | 'droppedToMs'>,
  dedupeWindowMs: number,
): Promise<Set<string>> {
  const known = await inClosedTables(tx, plan, tables.closed, dedupeWindowMs);
  for (const key of await storedBeforeDrop(tx, plan, tables.droppedToMs)) known.add(key);
  return known;
}

/**
 * Keys of the rows that are in closed identity tables, as hex text. A table is left out where all of its events arrived more
 * than the dedupe window before the rows; and of a table the rows are left out whose ids carry a later time than any in it.
 */
async function inClosedTables(
  tx: Transaction,
  { rows, extent }: { rows: readonly Row[]; extent: { fromMs: number } },
  closed: readonly ClosedTable[],
  dedupeWindowMs: number,
): Promise<Set<string>> {
  const known = new Set<string>();
  for (const { number, arrivedToMs, newestOrdered = '' } of closed) {
    if (arrivedToMs < extent.fromMs - dedupeWindowMs) continue;
    const keys = rows.map(keyOf).filter((key) => key >= unordered || key <= newestOrdered);
    if (keys.length === 0) continue;
    for (const key of await findIdentities(tx, number, keys)) known.add(key);
  }
  return known;
}

/**
 * Keys, as hex text, of the rows whose very frame was stored before, as far as their identities may have been dropped. Only an
 * older copy of the stream has such frames: their events are found by their arrival, which is the frame's own.
 */
async function storedBeforeDrop(
  tx: Transaction,
  { rows, extent }: { rows: readonly Row[]; extent: { fromMs: number } },
  droppedToMs: number,
): Promise<string[]> {
  if (extent.fromMs > droppedToMs) return [];
  const old = rows.filter(({ arrivedMs }) => arrivedMs <= droppedToMs);
  return (await storedAtArrival(old, (find) => find(tx))).map(keyOf);
}

/** The rows of which an event with their identity and their very arrival is stored. `ask` runs each look into the database. */
export async function storedAtArrival(
  rows: readonly Row[],
  ask: (find: (sql: Executor) => Promise<StoredId[]>) => Promise<StoredId[]>,
): Promise<Row[]> {
  const found: Row[] = [];
  const groups = Map.groupBy(rows, (row) => `${row.arrivedMs} ${contentOf(row).namespace}`);
  for (const group of groups.values()) {
    const { arrivedMs } = group[0]!;
    const { namespace } = contentOf(group[0]!);
    const byName = Map.groupBy(group, (row) => nameOf(contentOf(row)));
    const ids = group.map((row) => contentOf(row).id);
    const stored = await ask((sql) => idsArrivedAt(sql, namespace, arrivedMs, ids));
    found.push(...new Set(stored.flatMap((one) => byName.get(nameOf(one)) ?? [])));
  }
  return found;
}

const nameOf = ({ source, id }: StoredId) => JSON.stringify([source, id]);

/** Adds the keys that are neither known nor in the table; returns the rows whose keys were added, the first of each. */
export async function addIdentities(
  tx: Transaction,
  table: number,
  rows: readonly Row[],
  known: ReadonlySet<string>,
): Promise<Row[]> {
  if (rows.length === 0) return [];
  const keys = rows.map(keyOf);
  const added = new Set(
    await insertIdentities(
      tx,
      table,
      keys.filter((key) => !known.has(key)),
    ),
  );
  return rows.filter((_, n) => added.delete(keys[n]!));
}
