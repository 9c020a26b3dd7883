import type { Executor, Sql, Transaction } from '../connection/connect.ts';

export interface ExportDay {
  /** YYYY-MM-DD, UTC. */
  day: string;
  /** Of the newest file; 0 while there is none. */
  revision: number;
  digest: string;
}

/** Corrections commit within this time. */
const marginMinutes = 10;

/**
 * Marks as stale the days whose usage may have changed without new events: those of events that were corrected, or
 * whose backfill was closed or reverted, since the last time, and all of them where the meters aren't the same any more.
 */
export async function markChangedDays(tx: Transaction, target: string): Promise<void> {
  await tx`
    UPDATE export_days d SET is_stale = true
    FROM export_targets t, corrections c
    WHERE t.target = ${target} AND d.target = t.target
      AND greatest(c.corrected_at, c.undone_at) > t.corrected_to
      AND d.day IN ((c.old_time AT TIME ZONE 'UTC')::date, (c.time AT TIME ZONE 'UTC')::date)`;
  await tx`
    UPDATE export_days d SET is_stale = true
    FROM export_targets t, event_backfills f JOIN backfill_batches o ON o.backfill = f.number JOIN batch_types b USING (batch_id)
    WHERE t.target = ${target} AND d.target = t.target
      AND greatest(f.closed_at, f.reverted_at) > t.corrected_to
      AND d.day BETWEEN (b.first_time AT TIME ZONE 'UTC')::date AND (b.last_time AT TIME ZONE 'UTC')::date`;
  const [row] = await tx<{ meters: string }[]>`
    SELECT md5(coalesce(string_agg(id || ' ' || build || ' ' || slug, ',' ORDER BY id), '')) AS meters
    FROM meters WHERE deleted_at IS NULL`;
  await tx`
    UPDATE export_days d SET is_stale = true FROM export_targets t
    WHERE t.target = ${target} AND d.target = t.target AND t.meters <> ${row!.meters}`;
  await tx`
    UPDATE export_targets SET meters = ${row!.meters}, corrected_to = now() - make_interval(mins => ${marginMinutes})
    WHERE target = ${target}`;
}

/** Days to read anew that ended so many hours ago, the oldest first. */
export async function staleDays(
  sql: Executor,
  target: string,
  endedHours: number,
  daysMax: number,
): Promise<ExportDay[]> {
  return sql<ExportDay[]>`
    SELECT to_char(day, 'YYYY-MM-DD') AS day, revision, digest FROM export_days
    WHERE target = ${target} AND is_stale
      AND day < ((now() - make_interval(hours => ${endedHours})) AT TIME ZONE 'UTC')::date
    ORDER BY day LIMIT ${daysMax}`;
}

/** The day's newest revision and what it holds. */
export async function finishDay(
  tx: Transaction,
  target: string,
  { day, revision, digest }: ExportDay,
): Promise<void> {
  await tx`
    UPDATE export_days SET revision = ${revision}, digest = ${digest}, is_stale = false
    WHERE target = ${target} AND day = ${day}::date`;
}

/** Every meter that isn't deleted, by namespace and slug. */
export async function metersToExport(sql: Sql): Promise<{ namespace: string; id: string }[]> {
  return sql<{ namespace: string; id: string }[]>`
    SELECT namespace, id FROM meters WHERE deleted_at IS NULL ORDER BY namespace COLLATE "C", slug COLLATE "C"`;
}
