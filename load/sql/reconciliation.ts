import type { Executor } from '@usage/db/connection/connect.ts';

/** What has become of events, to the event; a dead letter of kind 'frame' stands for an unknown number of them. */
export interface BookCounts {
  stored: number;
  duplicates: number;
  dead_events: number;
  dead_frames: number;
}

/** Counts the rows themselves, not what any batch says of them. */
export async function countBooks(sql: Executor): Promise<BookCounts> {
  const [row] = await sql<BookCounts[]>`
    SELECT (SELECT count(*)::float8 FROM events) AS stored,
           (SELECT coalesce(sum(duplicates), 0)::float8 FROM batches) AS duplicates,
           (SELECT count(*)::float8 FROM dead_letters WHERE kind = 'event') AS dead_events,
           (SELECT count(*)::float8 FROM dead_letters WHERE kind = 'frame') AS dead_frames`;
  return row!;
}

/** Deltas that are not merged into rollups yet. */
export async function countDeltas(sql: Executor): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM deltas`;
  return row!.count;
}
