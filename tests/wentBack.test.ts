import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Client, withClient } from '@usage/db/connection/client.ts';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { getMeterToRead, loadMeters } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { queryMetrics } from '@usage/query/metrics.ts';
import { Registry } from 'prom-client';
import { event, makeMeter } from './query/app.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';
import { postgresUrl } from './support/servers.ts';
import { Pipeline } from './usage/pipeline.ts';

/**
 * What the apps remember of a database that goes back to an older state under them, as after a restore or after a standby
 * that lagged was promoted: here a copy takes the database's place. tests/fault plays the standby.
 */
const arrivedMs = Date.parse('2026-03-18T00:00:00Z');
const nextPartitionMs = arrivedMs + 7 * dayMs;
const customers = 20;
let database: TestDatabase;
let sql: Sql;
let pipeline: Pipeline;
let cache: DeltaCache;

beforeAll(async () => {
  database = await createDatabase({ timescale: false });
  sql = connect({ url: database.url, name: 'went back', connectionsMax: 4, statementMsMax: 30_000 });
  pipeline = await Pipeline.open(sql);
  cache = new DeltaCache(10_000, queryMetrics(new Registry()));
}, 60_000);
afterAll(async () => {
  await sql.end();
  await database.drop();
});

test('after the database went back nothing that was remembered of it is used', async () => {
  const a = await meterOf('tenant_a');
  const b = await meterOf('tenant_b');
  await store('tenant_a', 'early', arrivedMs);
  await pipeline.aggregate(1);
  const goBack = await copyOf(database);

  // What is lost: series, deltas, a meter and an open partition.
  await store('tenant_a', 'lost', arrivedMs);
  await pipeline.aggregate(1);
  await store('tenant_a', 'lost', nextPartitionMs);
  await subjectsIn(a);
  const lost = await meterOf('lost');
  await goBack();

  const kept = await meterOf('kept');
  expect([kept.generation, kept.generationVersion]).toEqual([lost.generation, lost.generationVersion]);
  for (const type of ['tenant_b', 'kept']) await store(type, type, nextPartitionMs);
  expect(await subjectsIn(b)).toEqual(names('tenant_b'));
  expect(await subjectsIn(a)).toEqual([]);
  expect(await subjectsIn(kept)).toEqual(names('kept'));
  await store('tenant_a', 'anew', arrivedMs);
  await pipeline.aggregate(1);

  expect(await merged(a)).toEqual([...names('anew'), ...names('early')]);
  expect(await merged(b)).toEqual(names('tenant_b'));
  expect(await merged(kept)).toEqual(names('kept'));
  expect(await orphans()).toBe(0);
  expect((await loadMeters(sql)).meters.map(({ slug }) => slug)).toEqual(['kept', 'tenant_a', 'tenant_b']);
});

test('a version of the meters that comes twice names two states', async () => {
  const before = await loadMeters(sql);
  const goBack = await copyOf(database);
  await meterOf('first');
  const first = await loadMeters(sql);
  await goBack();
  await meterOf('second');
  const second = await loadMeters(sql);
  expect(second.version).toBe(first.version);
  expect(new Set([before.token, first.token, second.token]).size).toBe(3);
});

const meterOf = async (slug: string): Promise<StoredMeter> => {
  const meter = await makeMeter(sql, { slug, eventType: slug, aggregation: 'COUNT', groupBy: {} });
  await pipeline.backfill();
  return meter;
};

const names = (prefix: string) => Array.from({ length: customers }, (_, n) => `${prefix}-${100 + n}`);

/** One event each of the customers. */
async function store(type: string, prefix: string, atMs: number): Promise<void> {
  const time = new Date(arrivedMs).toISOString();
  await pipeline.process(
    names(prefix).map((subject) => event(subject, time, '{}', { type })),
    atMs,
  );
}

/** The subjects in the deltas that wait, as a query reads them. */
async function subjectsIn({ namespace, id }: StoredMeter): Promise<string[]> {
  return (await sql.begin(async (tx) => {
    const subjects: string[] = [];
    const found = await getMeterToRead(tx, namespace, id);
    for await (const cells of cache.of(tx, found!, 'each')) subjects.push(...cells.subjects);
    return subjects.sort();
  })) as string[];
}

/** The subjects with rollups. */
async function merged({ generation }: StoredMeter): Promise<string[]> {
  const rows = await sql<{ subject: string }[]>`
    SELECT subject FROM series s WHERE build = ${generation} AND subject <> ''
      AND EXISTS (SELECT FROM rollup_minutes r WHERE r.series_id = s.id) ORDER BY subject COLLATE "C"`;
  return rows.map(({ subject }) => subject);
}

async function orphans(): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM rollup_minutes WHERE series_id NOT IN (SELECT id FROM series)`;
  return row!.count;
}

/** Copies the database as it is now; the returned function puts the copy in its place. */
async function copyOf({ url }: TestDatabase): Promise<() => Promise<void>> {
  const adminUrl = await postgresUrl();
  const name = new URL(url).pathname.slice(1);
  await withClient(adminUrl, async (admin) => {
    await disconnect(admin, name);
    await admin.query(`CREATE DATABASE ${name}_copy TEMPLATE ${name}`);
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  });
  return () =>
    withClient(adminUrl, async (admin) => {
      await disconnect(admin, name);
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.query(`ALTER DATABASE ${name}_copy RENAME TO ${name}`);
    });
}

/** A database in use can't be copied. */
async function disconnect(admin: Client, name: string): Promise<void> {
  await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  for (;;) {
    const { rows } = await admin.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1',
      [name],
    );
    if (rows.length === 0) return;
    await Bun.sleep(10);
  }
}
