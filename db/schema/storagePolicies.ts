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

/** A chunk holds the events that arrived on a day; it is compressed so long after that day has ended. */
const compressAfterHours = 1;
const compressEvery = '1 hour';

/**
 * With TimescaleDB: its own jobs compress the days that are over, and drop those past their retention. Policies that are
 * there already keep their schedules; those that a restore or fail-over lost are set again. Chunks of before migration 013
 * hold a longer period, and end up to that much before the last of their events arrived: the retention is counted from there.
 */
export async function setStoragePolicies(sql: Sql, retentionDays: number | undefined): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(hashtext('usage.storage.policies'))`;
    const [settings] = await tx<{ period_days: number }[]>`SELECT period_days FROM storage_settings`;
    if (!(await hasPolicy(tx, 'compress_after', compressAfterHours))) {
      await tx`SELECT remove_compression_policy('events', if_exists => true)`;
      await tx`SELECT add_compression_policy('events', compress_after => make_interval(hours => ${compressAfterHours}),
                                             schedule_interval => ${compressEvery}::interval)`;
    }
    const dropAfterDays = retentionDays === undefined ? undefined : settings!.period_days + retentionDays;
    if (!(await hasPolicy(tx, 'drop_after', dropAfterDays && dropAfterDays * 24))) {
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
  hours: number | undefined,
): Promise<boolean> {
  const rows = await tx<{ hours: number }[]>`
    SELECT (extract(epoch FROM (config ->> ${setting})::interval) / 3600)::float8 AS hours
    FROM timescaledb_information.jobs WHERE hypertable_name = 'events' AND config ? ${setting}`;
  return hours === undefined ? rows.length === 0 : rows.length === 1 && rows[0]!.hours === hours;
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
