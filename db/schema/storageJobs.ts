import type { Executor, Sql } from '../connection/connect.ts';

export const storagePolicies = ['compression', 'retention'] as const;
export type StoragePolicy = (typeof storagePolicies)[number];

/** What TimescaleDB's job of one policy on the events table does. */
export interface StorageJob {
  policy: StoragePolicy;
  /** Chunks that the policy ought to have compressed or dropped two days ago: its effect, whatever the job says. */
  overdue: number;
  /** Why its last run failed; undefined where it did not. */
  fault: string | undefined;
}

/**
 * TimescaleDB up to 2.29 gives each background job a portal that nothing runs in and drops it at the end, when the job's work is
 * committed. PostgreSQL refuses that since its minor releases of 2026 (SQLSTATE 24000): the job has done its work, counts as
 * failed, and would be started more and more seldom.
 */
const failedAfterItsWork = 'cannot drop portal "%" while it is being set up';

/** The policies that are set, by their effect and by their jobs. Of a table with policies alone ('columnstore'). */
export async function storageJobs(sql: Executor): Promise<StorageJob[]> {
  const rows = await sql<(Omit<StorageJob, 'fault'> & { fault: string | null })[]>`
    WITH policies AS (
      SELECT job_id, 'compression' AS policy, (config ->> 'compress_after')::interval AS after
      FROM timescaledb_information.jobs WHERE hypertable_name = 'events' AND config ? 'compress_after'
      UNION ALL
      SELECT job_id, 'retention', (config ->> 'drop_after')::interval
      FROM timescaledb_information.jobs WHERE hypertable_name = 'events' AND config ? 'drop_after'
    )
    SELECT p.policy,
           (SELECT count(*)::int FROM timescaledb_information.chunks c
            WHERE c.hypertable_name = 'events' AND c.range_end < now() - p.after - interval '2 days'
              AND (p.policy = 'retention' OR NOT c.is_compressed)) AS overdue,
           CASE WHEN s.last_run_status = 'Failed' AND e.err_message NOT LIKE ${failedAfterItsWork} THEN e.err_message END AS fault
    FROM policies p
    LEFT JOIN timescaledb_information.job_stats s USING (job_id)
    LEFT JOIN LATERAL (
      SELECT coalesce(err_message, 'see the log of PostgreSQL') AS err_message FROM timescaledb_information.job_errors
      WHERE job_id = p.job_id ORDER BY finish_time DESC LIMIT 1) e ON true
    ORDER BY p.policy`;
  return rows.map((row) => ({ ...row, fault: row.fault ?? undefined }));
}

/** Starts jobs as often as their policies say that did their work and count as failed nevertheless; returns how many. */
export async function keepJobSchedules(sql: Sql): Promise<number> {
  const moved = await sql`
    SELECT alter_job(j.job_id, next_start => s.last_run_started_at + j.schedule_interval)
    FROM timescaledb_information.jobs j JOIN timescaledb_information.job_stats s USING (job_id)
    CROSS JOIN LATERAL (
      SELECT err_message FROM timescaledb_information.job_errors e
      WHERE e.job_id = j.job_id ORDER BY finish_time DESC LIMIT 1) e
    WHERE j.hypertable_name = 'events' AND s.last_run_status = 'Failed' AND e.err_message LIKE ${failedAfterItsWork}
      AND s.next_start > s.last_run_started_at + j.schedule_interval + interval '1 minute'`;
  return moved.length;
}
