import type { Sql } from '@usage/db/connection/connect.ts';
import { idsArrivedAt, type StoredId } from '@usage/db/events/storedIds.ts';
import { contentOf, type Row } from './batch.ts';
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
  const found = new Set<Row>();
  const awaited = duplicates.filter(({ frame }) => frame.isRedelivered && frame.waiting.length > 0);
  const groups = Map.groupBy(awaited, (row) => JSON.stringify([row.frame.ref, contentOf(row).namespace]));
  for (const rows of groups.values()) {
    const { arrivedMs } = rows[0]!;
    const { namespace } = contentOf(rows[0]!);
    const byName = firstByName(rows);
    const ids = [...byName.values()].map((row) => contentOf(row).id);
    for (const stored of await ask((sql) => idsArrivedAt(sql, namespace, arrivedMs, ids))) {
      const row = byName.get(nameOf(stored));
      if (row) found.add(row);
    }
  }
  return found;
}

/** By id and source: of two events with one identity in one frame the later is a duplicate of the earlier. */
function firstByName(rows: readonly Row[]): Map<string, Row> {
  const byName = new Map<string, Row>();
  for (const row of rows) {
    const name = nameOf(contentOf(row));
    const other = byName.get(name);
    if (!other || row.position < other.position) byName.set(name, row);
  }
  return byName;
}

const nameOf = ({ source, id }: StoredId) => JSON.stringify([source, id]);
