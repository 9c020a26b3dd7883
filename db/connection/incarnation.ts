import type { Executor } from './connect.ts';

/**
 * Names one uninterrupted history of the database. While it stays the same, whatever was committed is still there and no
 * sequence has gone back. It changes with a fail-over, a restore and a restart, whether or not anything was lost.
 *
 * An app may remember ids, versions and decoded rows only together with the incarnation that it read in the same
 * transaction, and may use them only in a transaction that reads the same incarnation.
 */
export type Incarnation = string;

/**
 * The incarnation, as a column of a statement that is sent anyway (0.1 µs). Any user may read its parts, on managed servers as
 * well; the timeline is not among them, since reading it may take privileges, and isn't needed:
 *
 *   start of the postmaster     a standby that is promoted, or a server that is restored, was started at another moment
 *                               than the server before it; and what one postmaster serves never goes back while it runs
 *   reset of the statistics     the postmaster restarts its backends after one has crashed, and keeps its own start;
 *                               commits with synchronous_commit = off may be lost then. The statistics begin anew
 *   file of the series          another database of the same name, and tables that were emptied or made anew, as
 *                               pg_restore does
 */
export function incarnation(sql: Executor) {
  return sql`concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
    extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()), pg_relation_filepath('series'))`;
}
