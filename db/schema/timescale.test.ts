import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '@usage/tests/support/database.ts';
import { postgresUrl, startTestPostgres } from '@usage/tests/support/servers.ts';
import { startTimescaleInProcess } from '@usage/tests/support/timescale.ts';
import { startPostgres } from '../../scripts/local/postgres.ts';
import { connect, type Sql } from '../connection/connect.ts';
import { serverInfo } from '../connection/server.ts';
import { openPeriod } from '../events/partitions.ts';
import { migrate, migrationsFolder } from './migrate.ts';
import { keepJobSchedules, storageJobs } from './storageJobs.ts';
import { dropOldChunks, dropOldPartitions, eventStorage, setStoragePolicies } from './storagePolicies.ts';

const migrations = (await readdir(migrationsFolder)).length;

/** Whatever versions the server has: `npm test` on another one shows what it lacks. */
async function startOnServer(): Promise<Storage> {
  const { url, drop } = await createDatabase();
  return { url, stop: drop };
}

interface Storage {
  url: string;
  stop(): Promise<void>;
}

const hasServer = (await serverInfo(await postgresUrl())).timescale !== undefined;

describe.each<[string, () => Promise<Storage>]>([
  ['in process', startTimescaleInProcess],
  ...(hasServer ? [['of the server', startOnServer] satisfies [string, () => Promise<Storage>]] : []),
])('storage on TimescaleDB, %s', (_where, start) => {
  let timescale: Storage;
  let sql: Sql;

  beforeAll(async () => {
    timescale = await start();
    await migrate(timescale.url, { direction: 'up', periodDays: 3 });
    sql = connect({ url: timescale.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  }, 90_000);
  afterAll(async () => {
    await sql.end();
    await timescale.stop();
  });

  test('events is a hypertable whose chunks hold a day each', async () => {
    expect(await eventStorage(sql)).toBe('columnstore');
    for (const day of [19_998, 20_001, 20_004]) {
      await openPeriod(sql, day);
      await insertEvent(sql, day, 'a');
      await insertEvent(sql, day, 'b');
    }
    const chunks = await sql`
      SELECT range_start::date - DATE '1970-01-01' AS first, range_end::date - range_start::date AS days
      FROM timescaledb_information.chunks ORDER BY 1`;
    expect(chunks.map(({ first, days }) => [first, days])).toEqual([
      [19_998, 1],
      [20_001, 1],
      [20_004, 1],
    ]);
  });

  test('compression and retention are policies, setting them again changes nothing', async () => {
    await setStoragePolicies(sql, 400);
    await setStoragePolicies(sql, 400);
    const jobs = await sql`
      SELECT proc_name FROM timescaledb_information.jobs WHERE hypertable_name = 'events' ORDER BY proc_name`;
    expect(jobs.map((job) => job.proc_name)).toEqual(['policy_compression', 'policy_retention']);
  });

  test('a compressed day answers the same, and takes events that are stored late', async () => {
    const before = await allEvents(sql);
    await sql`SELECT compress_chunk(chunk) FROM show_chunks('events', older_than => DATE '1970-01-01' + 20001) AS chunk`;
    const [compressed] = await sql`
      SELECT count(*)::int AS count FROM timescaledb_information.chunks WHERE is_compressed`;
    expect(compressed?.count).toBe(1);
    expect(await allEvents(sql)).toEqual(before);
    await insertEvent(sql, 19_998, 'late');
    expect(await allEvents(sql)).toHaveLength(before.length + 1);
  });

  test('a day past its retention goes as a whole', async () => {
    await sql`SELECT drop_chunks('events', older_than => DATE '1970-01-01' + 20001)`;
    expect((await allEvents(sql)).map((event) => event.day)).toEqual([20_001, 20_001, 20_004, 20_004]);
  });

  test('the jobs of the policies compress days that are over and drop old ones', async () => {
    const today = Math.floor(Date.now() / 86_400_000);
    const quiet = today - 2;
    for (const day of [quiet, today]) {
      await openPeriod(sql, day);
      await insertEvent(sql, day, 'c');
    }
    const jobs = await sql`SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = 'events'`;
    for (const { job_id: id } of jobs) await sql.unsafe(`CALL run_job(${id})`);
    const chunks = await sql`
      SELECT range_start::date - DATE '1970-01-01' AS first, is_compressed AS compressed
      FROM timescaledb_information.chunks ORDER BY 1`;
    expect(chunks.map(({ first, compressed }) => [first, compressed])).toEqual([
      [quiet, true],
      [today, false],
    ]);
  });

  test('a chunk that its policy has left alone is overdue', async () => {
    const none = { overdue: 0, fault: undefined };
    expect(await storageJobs(sql)).toEqual([
      { policy: 'compression', ...none },
      { policy: 'retention', ...none },
    ]);
    const today = Math.floor(Date.now() / 86_400_000);
    const old = today - 420;
    await openPeriod(sql, old);
    await insertEvent(sql, old, 'd');
    expect(await storageJobs(sql)).toEqual([
      { policy: 'compression', ...none, overdue: 1 },
      { policy: 'retention', ...none, overdue: 1 },
    ]);
  });

  test('all migrations down and up again', async () => {
    await sql.end();
    expect((await migrate(timescale.url, { direction: 'down', count: migrations })).ran).toHaveLength(
      migrations,
    );
    expect((await migrate(timescale.url, { direction: 'up' })).ran).toHaveLength(migrations);
  });
});

describe.if(hasServer)("TimescaleDB's own background jobs", () => {
  test('compress and drop what the policies say, and are started as often as they say', async () => {
    // Of its own: each database takes one of a server's few background workers.
    const server = await startTestPostgres();
    await migrate(server.url, { direction: 'up' });
    const sql = connect({ url: server.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
    const today = Math.floor(Date.now() / 86_400_000);
    const [quiet, old] = [today - 40, today - 500];
    for (const day of [quiet, old, today]) {
      await openPeriod(sql, day);
      await insertEvent(sql, day, 'a');
    }
    await setStoragePolicies(sql, 400);
    const chunks = async () => {
      const rows = await sql<{ compressed: boolean }[]>`
        SELECT is_compressed AS compressed FROM timescaledb_information.chunks ORDER BY range_start`;
      return rows.map(({ compressed }) => compressed);
    };
    const finished = async () => {
      const [row] = await sql<{ runs: number }[]>`
        SELECT count(*)::int AS runs FROM timescaledb_information.job_stats s JOIN timescaledb_information.jobs j USING (job_id)
        WHERE j.hypertable_name = 'events' AND s.total_runs > 0 AND s.last_run_status IS NOT NULL`;
      return row!.runs;
    };
    while ((await finished()) < 2) await Bun.sleep(50);
    expect(await chunks()).toEqual([true, false]);
    expect((await storageJobs(sql)).map(({ overdue, fault }) => [overdue, fault])).toEqual([
      [0, undefined],
      [0, undefined],
    ]);
    await keepJobSchedules(sql);
    const [late] = await sql<{ count: number }[]>`
      SELECT count(*)::int FROM timescaledb_information.job_stats s JOIN timescaledb_information.jobs j USING (job_id)
      WHERE j.hypertable_name = 'events' AND s.next_start > s.last_run_started_at + j.schedule_interval + interval '1 minute'`;
    expect(late!.count).toBe(0);
    await sql.end();
    await server.stop();
  }, 60_000);
});

describe.if(hasServer)('under timescaledb.license = apache', () => {
  let folder: string;
  const startIn = (license: string) =>
    startPostgres({
      folder: join(folder, license === 'apache' ? 'apache' : 'changed'),
      logFile: join(folder, 'log'),
      password: 'usage_password',
      settings: { 'timescaledb.license': license.replace('changed', 'apache'), fsync: 'off' },
    });
  const connectTo = ({ url }: { url: string }) =>
    connect({ url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  const days = [19_998, 20_001];
  const insertOld = async (sql: Sql) => {
    for (const day of days) {
      await openPeriod(sql, day);
      await insertEvent(sql, day, 'a');
    }
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'usage-license-'));
    await chmod(folder, 0o711);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('the schema comes up on native partitions, down and up again, and old ones go', async () => {
    const server = await startIn('apache');
    await migrate(server.url, { direction: 'up', periodDays: 3 });
    await migrate(server.url, { direction: 'down', count: migrations });
    await migrate(server.url, { direction: 'up', periodDays: 3 });
    const sql = connectTo(server);
    expect(await eventStorage(sql)).toBe('partitions');
    await insertOld(sql);
    expect(await dropOldPartitions(sql, 365)).toHaveLength(days.length);
    await sql.end();
    await server.stop();
  }, 60_000);

  test('a hypertable from before the licence changed goes on, and its old chunks go without a policy', async () => {
    const before = await startIn('timescale');
    await migrate(before.url, { direction: 'up', periodDays: 3 });
    await before.stop();
    const server = await startIn('changed');
    const sql = connectTo(server);
    expect(await eventStorage(sql)).toBe('hypertable');
    await insertOld(sql);
    expect(await dropOldChunks(sql, 365)).toHaveLength(days.length);
    expect(await allEvents(sql)).toHaveLength(0);
    await sql.end();
    await server.stop();
  }, 60_000);
});

async function insertEvent(sql: Sql, day: number, id: string): Promise<void> {
  await sql`
    INSERT INTO events (time, ingested_at, batch_id, period, namespace, source, id, type, subject, data)
    VALUES (now(), now(), 1, DATE '1970-01-01' + ${day}::int, 'default', 'test', ${id}, 'request', 'me', '{"n": 1}')`;
}

async function allEvents(sql: Sql) {
  return sql`SELECT period - DATE '1970-01-01' AS day, id, data FROM events ORDER BY 1, 2`;
}
