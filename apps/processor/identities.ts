import type { Transaction } from '@usage/db/connection/connect.ts';
import { findIdentities, insertIdentities } from '@usage/db/events/identities.ts';
import type { ClosedTable } from '@usage/db/events/identityTables.ts';
import { keyOf, type Row } from './batch.ts';

/** Keys from here on begin with no time (reading/identity.ts). */
const unordered = 'ff';

/**
 * Keys of the rows that are in closed identity tables, as hex text. A table is left out where all of its events arrived more
 * than the dedupe window before the rows; and of a table the rows are left out whose ids carry a later time than any in it.
 */
export async function inClosedTables(
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
