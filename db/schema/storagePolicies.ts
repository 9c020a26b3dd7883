import type { Executor, Sql } from '../connection/connect.ts';

/**
 * What the server can do with the events table, whatever extensions it shows:
 *
 *   columnstore  a hypertable, with TimescaleDB's compression and policies
 *   hypertable   a hypertable under timescaledb.license = apache: chunks, without either
 *   partitions   native partitions
 */
export type EventStorage = 'columnstore' | 'hypertable' | 'partitions';

export async function eventStorage(sql: Executor): Promise<EventStorage> {
  const [row] = await sql<{ partitioned: boolean; licensed: boolean }[]>`
    SELECT relkind = 'p' AS partitioned,
           coalesce(current_setting('timescaledb.license', true), 'timescale') = 'timescale' AS licensed
    FROM pg_class WHERE oid = 'events'::regclass`;
  if (row!.partitioned) return 'partitions';
  return row!.licensed ? 'columnstore' : 'hypertable';
}

/**
 * With TimescaleDB: its own jobs compress periods that no event and no retry reaches any more, and drop those past their
 * retention. Policies that are there already keep their schedules; those that a restore or fail-over lost are set again. A chunk holds one period, but its bounds are TimescaleDB's
 * own and may end soon after the period's first day: both ages are counted from there.
 */
export async function setStoragePolicies(
  sql: Sql,
  of: { quietDays: number; retentionDays: number | undefined },
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(hashtext('usage.storage.policies'))`;
    const [settings] = await tx<{ period_days: number }[]>`SELECT period_days FROM storage_settings`;
    const { period_days: periodDays } = settings!;
    const compressAfterDays = periodDays + of.quietDays;
    if (!(await hasPolicy(tx, 'compress_after', compressAfterDays))) {
      await tx`SELECT remove_compression_policy('events', if_exists => true)`;
      await tx`SELECT add_compression_policy('events', compress_after => make_interval(days => ${compressAfterDays}))`;
    }
    const dropAfterDays = of.retentionDays === undefined ? undefined : periodDays + of.retentionDays;
    if (!(await hasPolicy(tx, 'drop_after', dropAfterDays))) {
      await tx`SELECT remove_retention_policy('events', if_exists => true)`;
      if (dropAfterDays !== undefined)
        await tx`SELECT add_retention_policy('events', drop_after => make_interval(days => ${dropAfterDays}))`;
    }
  });
}

/** Whether the events' policy with that setting is the one that is wanted; undefined: none is. */
async function hasPolicy(
  tx: Executor,
  setting: 'compress_after' | 'drop_after',
  days: number | undefined,
): Promise<boolean> {
  const rows = await tx<{ days: number }[]>`
    SELECT (extract(epoch FROM (config ->> ${setting})::interval) / 86400)::float8 AS days
    FROM timescaledb_information.jobs WHERE hypertable_name = 'events' AND config ? ${setting}`;
  return days === undefined ? rows.length === 0 : rows.length === 1 && rows[0]!.days === days;
}

/** On a hypertable without policies: drops the chunks that the retention policy would drop; returns their names. */
export async function dropOldChunks(sql: Sql, retentionDays: number): Promise<string[]> {
  const dropped = await sql<{ name: string }[]>`
    SELECT drop_chunks('events', older_than => make_interval(days => period_days + ${retentionDays}::int)) AS name
    FROM storage_settings`;
  return dropped.map(({ name }) => name);
}

/** While it is waited for, every batch waits behind it. */
const dropLockWait = '1s';

/**
 * On native partitions: drops those whose last day is older than the retention; returns their names. Each in a transaction of
 * its own, whose wait for the table's lock is short: rejects with SQLSTATE 55P03 where that is over, and may be tried again.
 */
export async function dropOldPartitions(sql: Sql, retentionDays: number): Promise<string[]> {
  const old = await sql<{ name: string }[]>`
    SELECT c.relname AS name
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, storage_settings s
    WHERE i.inhparent = 'events'::regclass
      AND to_date(right(c.relname, 8), 'YYYYMMDD') + s.period_days + ${retentionDays}::int < current_date
    ORDER BY 1`;
  for (const { name } of old)
    await sql.begin(async (tx) => {
      await tx`SELECT set_config('lock_timeout', ${dropLockWait}, true)`;
      await tx`DROP TABLE IF EXISTS ${tx(name)}`;
    });
  return old.map(({ name }) => name);
}
