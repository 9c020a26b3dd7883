import type { Executor } from './connect.ts';

/** Between the two looks. */
const lookMs = 1_000;

/**
 * Ends transactions in which PostgreSQL has waited for its client for longer than `stalledMsMin`: the client is stopped,
 * or behind a network that swallows packets, and nobody else gets past the rows that it has stored and not committed.
 * (In the middle of a COPY no time-out of PostgreSQL's own applies.) A COPY that is slow and alive waits for its client
 * now and then as well: only one that has taken no byte between two looks is ended. Returns how many were ended.
 */
export async function terminateStalledBackends(
  sql: Executor,
  name: string,
  stalledMsMin: number,
): Promise<number> {
  const silent = () => stalledTransactions(sql, name, stalledMsMin);
  const before = new Set(await silent());
  if (before.size === 0) return 0;
  await Bun.sleep(lookMs);
  const still = (await silent()).filter((mark) => before.has(mark));
  if (still.length === 0) return 0;
  const pids = still.map((mark) => Number.parseInt(mark, 10));
  const ended = await sql`SELECT pg_terminate_backend(pid) FROM unnest(${pids}::int[]) pid`;
  return ended.length;
}

/** A text for each: its pid, then what changes when it goes on. */
async function stalledTransactions(sql: Executor, name: string, stalledMsMin: number): Promise<string[]> {
  const rows = await sql<{ mark: string }[]>`
    SELECT concat_ws(' ', a.pid, a.xact_start, a.state_change, c.bytes_processed) AS mark
    FROM pg_stat_activity a LEFT JOIN pg_stat_progress_copy c USING (pid)
    WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name = ${name} AND a.pid <> pg_backend_pid()
      AND a.xact_start IS NOT NULL AND a.wait_event = 'ClientRead'
      AND a.state_change < now() - ${stalledMsMin}::float8 * INTERVAL '1 millisecond'`;
  return rows.map(({ mark }) => mark);
}
