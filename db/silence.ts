import type { Executor } from './connect.ts';

/**
 * Ends transactions in which PostgreSQL has waited for its client for longer than `silentMsMin`: the client is stopped,
 * or behind a network that swallows packets, and nobody else gets past the rows that it has stored and not committed.
 * (In the middle of a COPY no time-out of PostgreSQL's own applies.) Returns how many were ended.
 */
export async function endSilentTransactions(
  sql: Executor,
  name: string,
  silentMsMin: number,
): Promise<number> {
  const ended = await sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = ${name} AND pid <> pg_backend_pid()
      AND xact_start IS NOT NULL AND wait_event = 'ClientRead'
      AND state_change < now() - ${silentMsMin}::float8 * INTERVAL '1 millisecond'`;
  return ended.length;
}
