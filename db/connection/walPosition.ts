import type { Executor } from './connect.ts';

/** How far a server's data goes. Positions compare within one timeline alone: each fail-over begins another one. */
export interface WalPosition {
  /** undefined on a standby whose WAL receiver is not running or not ours to see. */
  timeline: number | undefined;
  /** Bytes of WAL since the cluster was made: written by a primary, replayed by a standby. */
  lsn: bigint;
}

/** Everything committed before this statement on a primary is in a standby that has replayed as far. */
export async function walPosition(sql: Executor): Promise<WalPosition> {
  const [row] = await sql<{ timeline: number | null; lsn: bigint }[]>`
    SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver)
                ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END AS timeline,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                ELSE pg_current_wal_lsn() END, '0/0')::bigint AS lsn`;
  return { timeline: row!.timeline ?? undefined, lsn: row!.lsn };
}
