import type { Executor } from '../connection/connect.ts';

/** Notes that events older than the retention may be gone from now on. */
export async function noteRetention(sql: Executor, retentionDays: number): Promise<void> {
  await sql`
    UPDATE storage_settings
    SET events_kept_since = greatest(events_kept_since, now() - make_interval(days => ${retentionDays}))`;
}

/** µs since 1970; all events that arrived since then are kept. Undefined where no event was ever dropped. */
export async function eventsKeptSince(sql: Executor): Promise<number | undefined> {
  const [row] = await sql<{ us: number | null }[]>`
    SELECT (extract(epoch FROM events_kept_since) * 1000000)::float8 AS us FROM storage_settings`;
  return row?.us ?? undefined;
}
