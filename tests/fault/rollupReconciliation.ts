import type { ReservedSql } from 'postgres';
import type { RoundMeter } from './meters.ts';

type Session = ReservedSql<{ bigint: bigint }>;

const grains = ['minute', 'hour', 'day'] as const;

/**
 * Adds the raw rows of the temporary table `round` up, by brute force: for each grain, for each subject and all
 * together (''), for each model and without. Everything that a rollup could say is in the temporary table `sums`.
 */
export async function addUpRaw(sql: Session): Promise<void> {
  await sql`
    CREATE TEMPORARY TABLE sums AS
    SELECT CASE grouping(minute, hour, day) WHEN 3 THEN 'minute' WHEN 5 THEN 'hour' ELSE 'day' END AS grain,
           coalesce(minute, hour, day) AS start,
           CASE grouping(subject) WHEN 1 THEN '' ELSE subject END AS subject,
           CASE grouping(model) WHEN 1 THEN '{}'::text[] ELSE ARRAY[model] END AS groups,
           count(*) AS count, sum(amount) AS sum, max(amount) AS max,
           -- the amount of the latest time, the larger one where two share it
           (max(ARRAY[extract(epoch FROM time), amount]))[2] AS latest,
           min(time) AS first_at, max(time) AS last_at
    FROM (SELECT *, date_trunc('minute', time) AS minute, date_trunc('hour', time) AS hour, date_trunc('day', time) AS day
          FROM round) r
    GROUP BY GROUPING SETS ((minute), (hour), (day)), CUBE (subject, model)`;
}

/** The rollups of every grain against the sums of the raw rows. */
export async function checkRollups(sql: Session, meter: RoundMeter): Promise<string[]> {
  const faults: string[] = [];
  const [row] = await sql<{ generation: bigint; pending: number; done: boolean; closed: boolean | null }[]>`
    SELECT build AS generation, (SELECT count(*)::int FROM deltas d WHERE d.build = m.build) AS pending, backfilled_at IS NOT NULL AS done,
           (SELECT before >= date_trunc('day', now() - INTERVAL '3 hours') FROM rollup_days_closed c WHERE c.build = m.build) AS closed
    FROM meters m WHERE slug = ${meter.slug} AND deleted_at IS NULL`;
  if (!row) return [`the meter ${meter.slug} is gone`];
  if (row.pending > 0) faults.push(`${row.pending} deltas of ${meter.slug} are not merged`);
  if (!row.done) faults.push(`the backfill of ${meter.slug} has not ended`);
  if (!row.closed) faults.push(`days of ${meter.slug} that are over are not closed`);
  for (const grain of grains) {
    const table = sql(`rollup_${grain}s`);
    const [wrong] = await sql<{ count: number; first: string }[]>`
      WITH raw AS (
        SELECT subject, groups, start, count, ${columnOf(sql, meter)} AS value, first_at, last_at
        FROM sums WHERE grain = ${grain} AND (groups <> '{}') = ${meter.groupBy !== undefined} AND ${isClosed(sql, grain, row.generation)}
      ), rolled AS (
        SELECT s.subject, s.group_values AS groups, r.start, r.count, r.value, r.first_at, r.last_at
        FROM series s JOIN ${table} r ON r.series_id = s.id WHERE s.build = ${row.generation}
      )
      SELECT count(*)::int AS count, min(concat_ws(' ', subject, start, raw.count, rolled.count, raw.value, rolled.value)) AS first
      FROM raw FULL JOIN rolled USING (subject, groups, start)
      WHERE (raw.count, raw.value, raw.first_at, raw.last_at) IS DISTINCT FROM (rolled.count, rolled.value, rolled.first_at, rolled.last_at)`;
    if (wrong!.count > 0)
      faults.push(
        `${wrong!.count} ${grain} rollups of ${meter.slug} are not what the rows add up to: ${wrong!.first}`,
      );
  }
  if (meter.aggregation === 'UNIQUE_COUNT')
    faults.push(...(await checkUniques(sql, meter.slug, row.generation)));
  return faults;
}

/** Day rows are there for closed days, and for no others. */
function isClosed(sql: Session, grain: (typeof grains)[number], generation: bigint) {
  if (grain !== 'day') return sql`true`;
  return sql`start < (SELECT before FROM rollup_days_closed WHERE build = ${generation})`;
}

function columnOf(sql: Session, { aggregation }: RoundMeter) {
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
      return sql`sum`;
    case 'MAX':
      return sql`max`;
    case 'LATEST':
      return sql`latest`;
    case 'COUNT':
    case 'UNIQUE_COUNT':
      return sql`NULL::numeric`;
    default:
      return aggregation satisfies never;
  }
}

async function checkUniques(sql: Session, slug: string, generation: bigint): Promise<string[]> {
  const faults: string[] = [];
  for (const grain of grains) {
    const [wrong] = await sql<{ count: number }[]>`
      WITH raw AS (
        SELECT DISTINCT s.subject, start, value
        FROM (SELECT DISTINCT subject, date_trunc(${grain}, time) AS start, "user" AS value FROM round) r
        CROSS JOIN LATERAL (VALUES (r.subject), ('')) AS s (subject)
        WHERE ${isClosed(sql, grain, generation)}
      ), rolled AS (
        SELECT s.subject, u.start, u.value FROM series s JOIN ${sql(`unique_${grain}s`)} u ON u.series_id = s.id WHERE s.build = ${generation}
      )
      SELECT count(*)::int AS count FROM raw FULL JOIN rolled USING (subject, start, value)
      WHERE raw IS NULL OR rolled IS NULL`;
    if (wrong!.count > 0)
      faults.push(`${wrong!.count} distinct values of ${slug} by ${grain} are missing or too many`);
  }
  return faults;
}
