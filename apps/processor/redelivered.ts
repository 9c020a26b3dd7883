import type { Sql } from '@usage/db/connection/connect.ts';
import type { StoredId } from '@usage/db/events/storedIds.ts';
import { keyOf, type Row } from './batch.ts';
import { storedAtArrival } from './identities.ts';
import type { Stored } from './prepared.ts';

/** Rows that were found in the database, and were put there by this very frame, are stored and no duplicates. */
export function countAsStored(outcome: Stored, rows: ReadonlySet<Row>): void {
  const duplicates = outcome.duplicates.filter((row) => !rows.has(row));
  outcome.stored += outcome.duplicates.length - duplicates.length;
  outcome.duplicates = duplicates;
}

/**
 * Of duplicates those that a processor stored from the same frame, and ended before it said so. Only a frame that was
 * delivered before, and for which a request waits, is looked up. Its events in the database have its own arrival.
 */
export async function storedBefore(
  duplicates: readonly Row[],
  ask: (run: (sql: Sql) => Promise<StoredId[]>) => Promise<StoredId[]>,
): Promise<ReadonlySet<Row>> {
  const awaited = duplicates.filter(({ frame }) => frame.isRedelivered && frame.waiting.length > 0);
  const stored = await storedAtArrival(awaited, (find) => ask(find));
  // Of two events with one identity in one frame the later is a duplicate of the earlier.
  const first = new Map<string, Row>();
  for (const row of stored) {
    const identity = `${row.frame.ref} ${keyOf(row)}`;
    const other = first.get(identity);
    if (!other || row.position < other.position) first.set(identity, row);
  }
  return new Set(first.values());
}
