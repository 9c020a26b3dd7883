import type { Sql } from 'postgres';
import type { Stack } from './stack.ts';

const group = 'processors';
/** What an app of that name may have open; the process that is gone may leave nothing. */
const connectionsMax: Record<string, number> = {
  ...{ gateway: 4, processor: 4, aggregator: 6, query: 8, limits: 8 },
  ...{ 'gateway keys': 1, 'query keys': 1, 'limits keys': 1 },
};
const redisConnections: Record<string, string> = {
  gateway: 'gateway',
  'gateway subscriber': 'gateway',
  processor: 'processor',
  'processor-reader': 'processor',
  aggregator: 'aggregator',
  query: 'query',
  'query subscriber': 'query',
  limits: 'limits',
  'limits subscriber': 'limits',
};
/** The suite's own. */
const ownConnections = ['fault suite'];
/** PostgreSQL and Redis notice a closed connection when they next look at it. */
const closedMsMax = 8_000;
const pollMs = 100;

/** What a round must not leave behind, in sentences. */
export async function findLeftovers(stack: Stack): Promise<string[]> {
  return [
    ...(await inStream(stack)),
    ...(await inDatabase(stack)),
    ...(await inSchema(stack)),
    ...(await openConnections(stack)),
  ];
}

async function inStream({ admin, tags }: Stack): Promise<string[]> {
  const faults: string[] = [];
  for (const tag of tags) {
    const frames = await admin.xlen(`{${tag}}:events`);
    if (frames > 0) faults.push(`${frames} frames are left in the stream`);
    const pending = (await admin.xpending(`{${tag}}:events`, group).catch(() => [0])) as [number];
    if (pending[0] > 0) faults.push(`${pending[0]} frames are pending`);
    const [accepted, settled] = await admin.mget(`{${tag}}:accepted`, `{${tag}}:settled`);
    if ((accepted ?? '0') !== (settled ?? '0'))
      faults.push(`the stream's counters disagree: ${accepted} accepted, ${settled} settled`);
  }
  return faults;
}

async function inDatabase({ sql }: Stack): Promise<string[]> {
  const [left] = await sql<
    {
      temporary: number;
      prepared: number;
      waiting: number;
      advisory: number;
      deltas: number;
      strange: string | null;
    }[]
  >`
    SELECT (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary,
           (SELECT count(*)::int FROM pg_prepared_xacts) AS prepared,
           (SELECT count(*)::int FROM pg_locks WHERE NOT granted) AS waiting,
           (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND pid IN (SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in%' AND now() - state_change > INTERVAL '1 second')) AS advisory,
           (SELECT count(*)::int FROM deltas) AS deltas,
           (SELECT string_agg(application_name || ': ' || state || ' since ' || (now() - xact_start), ', ') FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start < now() - INTERVAL '5 seconds') AS strange`;
  const { temporary, prepared, waiting, advisory, deltas, strange } = left!;
  const faults: string[] = [];
  if (temporary > 0) faults.push(`${temporary} temporary tables are left`);
  if (prepared > 0) faults.push(`${prepared} prepared transactions are left`);
  if (waiting > 0) faults.push(`${waiting} locks are waited for`);
  if (advisory > 0) faults.push(`${advisory} advisory locks are held by idle transactions`);
  if (deltas > 0) faults.push(`${deltas} deltas are left`);
  if (strange) faults.push(`transactions are left open: ${strange}`);
  return faults;
}

/** Tables, views and sequences, but for the partitions of events and the identity tables that there should be. */
export async function relationsOf(sql: Sql<{ bigint: bigint }>): Promise<Set<string>> {
  const rows = await sql<{ name: string }[]>`
    SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname NOT IN ('pg_catalog', 'information_schema')
      AND nspname NOT LIKE 'pg\\_toast%' AND nspname NOT LIKE 'pg\\_temp%'
      AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhparent = 'events'::regclass)
      AND relname NOT IN (SELECT 'identities_' || number FROM identity_tables)`;
  return new Set(rows.map(({ name }) => name));
}

/** Partitions of no open period, detached ones and whatever else the fresh schema did not have; indexes half made. */
async function inSchema({ sql, relations, postgres }: Stack): Promise<string[]> {
  const faults: string[] = [];
  const strange = [...(await relationsOf(sql))].filter((name) => !relations.has(name));
  if (strange.length > 0) faults.push(`relations are left: ${strange.join(', ')}`);
  const stray = postgres.timescale
    ? await sql<{ name: string }[]>`
        SELECT chunk_name::text AS name FROM timescaledb_information.chunks c
        WHERE hypertable_name = 'events' AND NOT EXISTS (
          SELECT FROM periods p WHERE p.period::timestamp AT TIME ZONE 'UTC' >= c.range_start AND p.period::timestamp AT TIME ZONE 'UTC' < c.range_end)`
    : await sql<{ name: string }[]>`
        SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass
          AND inhrelid::regclass::text NOT IN (SELECT 'events_' || to_char(period, 'YYYYMMDD') FROM periods)`;
  if (stray.length > 0)
    faults.push(`partitions of no period are left: ${stray.map(({ name }) => name).join(', ')}`);
  const [invalid] = await sql<{ names: string | null }[]>`
    SELECT string_agg(indexrelid::regclass::text, ', ') AS names FROM pg_index WHERE NOT indisvalid`;
  if (invalid!.names) faults.push(`indexes are not valid: ${invalid!.names}`);
  return faults;
}

/** Connections beyond the pools of the apps that run, to PostgreSQL and to Redis; requests that wait for good. */
async function openConnections(stack: Stack): Promise<string[]> {
  const deadline = performance.now() + closedMsMax;
  for (;;) {
    const faults = [...(await toPostgres(stack)), ...(await toRedis(stack)), ...(await requests(stack))];
    if (faults.length === 0 || performance.now() > deadline) return faults;
    await Bun.sleep(pollMs);
  }
}

async function toPostgres(stack: Stack): Promise<string[]> {
  const rows = await stack.sql<{ name: string; count: number; prepared: number }[]>`
    SELECT CASE WHEN application_name LIKE 'aggregator %' THEN 'aggregator' ELSE application_name END AS name, count(*)::int AS count
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1`;
  return rows.flatMap(({ name, count }) => {
    if (ownConnections.includes(name)) return [];
    const max = running(stack, name.split(' ')[0]!) * (connectionsMax[name] ?? 0);
    return count > max
      ? [`${count} connections of '${name}' to PostgreSQL are open, ${max} at most may be`]
      : [];
  });
}

async function toRedis(stack: Stack): Promise<string[]> {
  if (stack.cluster) return [];
  const clients = String(await stack.admin.client('LIST'));
  const counts = new Map<string, number>();
  for (const [, name] of clients.matchAll(/ name=(\S*(?: subscriber)?) /g))
    if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].flatMap(([name, count]) => {
    const max = running(stack, redisConnections[name] ?? '');
    return count > max ? [`${count} connections of '${name}' to Redis are open, ${max} at most may be`] : [];
  });
}

/** Nobody sends any more: no request of theirs may still wait for Redis. */
async function requests(stack: Stack): Promise<string[]> {
  const answer = await fetch(`${stack.app('gateway').url}/metrics`, { signal: AbortSignal.timeout(3_000) });
  const inFlight = /^usage_frames_in_flight (\d+)/m.exec(await answer.text())?.[1];
  return inFlight === '0' ? [] : [`${inFlight ?? 'an unknown number of'} frames are on their way to Redis`];
}

/** How many processes of the app run. */
function running(stack: Stack, name: string): number {
  return [...stack.apps.values()].filter((app) => app.running && app.name.replace(/\d+$/, '') === name)
    .length;
}
