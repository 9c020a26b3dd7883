import type { ReservedSql } from 'postgres';
import { amountHundredths } from './load.ts';
import { askTotal, metersOf, type RoundMeter } from './meters.ts';
import type { Stack } from './stack.ts';

export interface Books {
  /** Rows of the round. */
  stored: number;
  /** Left out by the processors because their identity was stored. */
  duplicates: number;
  /** Answered 2xx and not there. */
  lost: number;
  /** Rows beyond the first of an event. */
  doubled: number;
  /** Everything else that doesn't add up, in sentences. */
  faults: string[];
}

const streamKey = '{usage}:events';
const group = 'processors';
/** Pool sizes of all apps together, doubled: beyond it connections leak. */
const connectionsMax = 80;

/**
 * Closes the books of a round: `numbered` events were all answered 2xx, so every one is stored once, the rollups are
 * what the raw rows add up to, and nothing is left over anywhere.
 */
export async function closeBooks(
  stack: Stack,
  round: { type: string; numbered: number; since: string },
): Promise<Books> {
  const sql = (await stack.sql.reserve()) as ReservedSql<{ bigint: bigint }>;
  try {
    await sql`SET work_mem = '64MB'`;
    await sql`
      CREATE TEMPORARY TABLE round AS
      SELECT (data ->> 'n')::int AS n, (data ->> 'amount')::numeric AS amount, data ->> 'model' AS model,
             data ->> 'user' AS "user", subject, time
      FROM events WHERE type = ${round.type}`;
    const [counts] = await sql<{ stored: number; numbers: number; in_range: number }[]>`
      SELECT count(*)::int AS stored, count(DISTINCT n)::int AS numbers,
             (count(DISTINCT n) FILTER (WHERE n < ${round.numbered}))::int AS in_range FROM round`;
    const [batches] = await sql<{ duplicates: number }[]>`
      SELECT coalesce(sum(duplicates), 0)::int AS duplicates FROM batches WHERE stored_at >= ${round.since}::text::timestamptz`;
    const { stored, numbers, in_range: inRange } = counts!;
    const faults: string[] = [];
    for (const meter of metersOf(round.type)) faults.push(...(await checkRollups(sql, meter)));
    await sql`DROP TABLE round`;
    if (numbers !== inRange) faults.push(`${numbers - inRange} events are stored that were never sent`);
    const lost = round.numbered - inRange;
    if (lost === 0) faults.push(...(await checkTotal(stack, round)));
    faults.push(...(await findLeftovers(stack)));
    return { stored, duplicates: batches!.duplicates, lost, doubled: stored - numbers, faults };
  } finally {
    sql.release();
  }
}

/** The rollups of both grains against brute force over the raw rows, for each subject and for all together. */
async function checkRollups(sql: ReservedSql<{ bigint: bigint }>, meter: RoundMeter): Promise<string[]> {
  const faults: string[] = [];
  const [row] = await sql<{ build: bigint; pending: number; done: boolean }[]>`
    SELECT build, (SELECT count(*)::int FROM deltas d WHERE d.build = m.build) AS pending, backfilled_at IS NOT NULL AS done
    FROM meters m WHERE slug = ${meter.slug} AND deleted_at IS NULL`;
  if (!row) return [`the meter ${meter.slug} is gone`];
  if (row.pending > 0) faults.push(`${row.pending} deltas of ${meter.slug} are not merged`);
  if (!row.done) faults.push(`the backfill of ${meter.slug} has not ended`);
  for (const grain of ['minute', 'hour'] as const) {
    const table = sql(grain === 'minute' ? 'rollup_minutes' : 'rollup_hours');
    const groups = meter.groupBy ? sql`ARRAY[model]` : sql`ARRAY[]::text[]`;
    const [wrong] = await sql<{ count: number; first: string }[]>`
      WITH raw AS (
        SELECT subject, ${groups} AS groups, date_trunc(${grain}, time) AS start, count(*) AS count,
               ${aggregateOf(sql, meter)} AS value, min(time) AS first_at, max(time) AS last_at
        FROM (SELECT n, amount, model, subject, time FROM round UNION ALL SELECT n, amount, model, '', time FROM round) r
        GROUP BY 1, 2, 3
      ), rolled AS (
        SELECT s.subject, s.group_values AS groups, r.start, r.count, r.value, r.first_at, r.last_at
        FROM series s JOIN ${table} r ON r.series_id = s.id WHERE s.build = ${row.build}
      )
      SELECT count(*)::int AS count, min(concat_ws(' ', subject, start, raw.count, rolled.count, raw.value, rolled.value)) AS first
      FROM raw FULL JOIN rolled USING (subject, groups, start)
      WHERE (raw.count, raw.value, raw.first_at, raw.last_at) IS DISTINCT FROM (rolled.count, rolled.value, rolled.first_at, rolled.last_at)`;
    if (wrong!.count > 0)
      faults.push(
        `${wrong!.count} ${grain} rollups of ${meter.slug} are not what the rows add up to: ${wrong!.first}`,
      );
  }
  if (meter.aggregation === 'UNIQUE_COUNT') faults.push(...(await checkUniques(sql, meter.slug, row.build)));
  return faults;
}

function aggregateOf(sql: ReservedSql<{ bigint: bigint }>, { aggregation }: RoundMeter) {
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
      return sql`sum(amount)`;
    case 'MIN':
      return sql`min(amount)`;
    case 'MAX':
      return sql`max(amount)`;
    case 'LATEST':
      return sql`(array_agg(amount ORDER BY time DESC, amount DESC))[1]`;
    case 'COUNT':
    case 'UNIQUE_COUNT':
      return sql`NULL::numeric`;
    default:
      return aggregation satisfies never;
  }
}

async function checkUniques(
  sql: ReservedSql<{ bigint: bigint }>,
  slug: string,
  build: bigint,
): Promise<string[]> {
  const [wrong] = await sql<{ count: number }[]>`
    WITH raw AS (
      SELECT DISTINCT subject, date_trunc('hour', time) AS start, "user" AS value
      FROM (SELECT subject, time, "user" FROM round UNION ALL SELECT '', time, "user" FROM round) r
    ), rolled AS (
      SELECT s.subject, u.start, u.value FROM series s JOIN unique_hours u ON u.series_id = s.id WHERE s.build = ${build}
    )
    SELECT count(*)::int AS count FROM raw FULL JOIN rolled USING (subject, start, value)
    WHERE raw IS NULL OR rolled IS NULL`;
  return wrong!.count > 0 ? [`${wrong!.count} distinct values of ${slug} are missing or too many`] : [];
}

/** The sum that the driver knows, asked of the API. */
async function checkTotal(stack: Stack, round: { type: string; numbered: number }): Promise<string[]> {
  let hundredths = 0;
  for (let n = 0; n < round.numbered; n++) hundredths += amountHundredths(n);
  const answered = await askTotal(stack, metersOf(round.type)[0]!.slug);
  if (Math.round(answered * 100) === hundredths) return [];
  return [`the API answers a total of ${answered}, the driver knows ${hundredths / 100}`];
}

/** What a round must not leave behind. */
async function findLeftovers(stack: Stack): Promise<string[]> {
  const faults: string[] = [];
  const frames = await stack.admin.xlen(streamKey);
  if (frames > 0) faults.push(`${frames} frames are left in the stream`);
  const pending = (await stack.admin.xpending(streamKey, group).catch(() => [0])) as [number];
  if (pending[0] > 0) faults.push(`${pending[0]} frames are pending`);
  const [accepted, settled] = await stack.admin.mget('{usage}:accepted', '{usage}:settled');
  if (accepted !== settled)
    faults.push(`the stream's counters disagree: ${accepted} accepted, ${settled} settled`);
  const [left] = await stack.sql<
    {
      temporary: number;
      prepared: number;
      waiting: number;
      advisory: number;
      connections: number;
      strange: string | null;
    }[]
  >`
    SELECT (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary,
           (SELECT count(*)::int FROM pg_prepared_xacts) AS prepared,
           (SELECT count(*)::int FROM pg_locks WHERE NOT granted) AS waiting,
           (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND pid IN (SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in%' AND now() - state_change > INTERVAL '1 second')) AS advisory,
           (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()) AS connections,
           (SELECT string_agg(application_name || ': ' || state || ' since ' || (now() - xact_start), ', ') FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start < now() - INTERVAL '5 seconds') AS strange`;
  const { temporary, prepared, waiting, advisory, connections, strange } = left!;
  if (temporary > 0) faults.push(`${temporary} temporary tables are left`);
  if (prepared > 0) faults.push(`${prepared} prepared transactions are left`);
  if (waiting > 0) faults.push(`${waiting} locks are waited for`);
  if (advisory > 0) faults.push(`${advisory} advisory locks are held by idle transactions`);
  if (connections > connectionsMax) faults.push(`${connections} connections are open`);
  if (strange) faults.push(`transactions are left open: ${strange}`);
  return faults;
}
