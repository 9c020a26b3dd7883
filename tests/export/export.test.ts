import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withClient } from '@usage/db/connection/client.ts';
import { S3Client } from 'bun';
import { type RunningApps, startApps } from '../support/apps.ts';
import { startS3 } from '../support/s3.ts';
import { duck } from './duck.ts';

/** What DuckDB reads of an export is what the API answers. */
const root = join(import.meta.dirname, '../..');
let apps: RunningApps;
let folder: string;
let sent = 0;

beforeAll(async () => {
  apps = await startApps();
  folder = await mkdtemp(join(tmpdir(), 'usage-export-test-'));
  await makeMeter('tokens', { aggregation: 'SUM', valueProperty: '$.tokens', groupBy: { model: '$.model' } });
  await makeMeter('calls', { aggregation: 'COUNT' });
  await makeMeter('keys', { aggregation: 'UNIQUE_COUNT', valueProperty: '$.key' });
  await makeMeter('highest', { aggregation: 'MAX', valueProperty: '$.tokens' });
});
afterAll(async () => {
  await apps.stop();
  await rm(folder, { recursive: true });
});

async function makeMeter(slug: string, meter: object): Promise<void> {
  const response = await fetch(`${apps.url}/api/v1/meters`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ slug, eventType: 'prompt', ...meter }),
  });
  if (!response.ok) throw new Error(await response.text());
}

const day = (daysAgo: number) => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10);

async function send(count: number, daysAgo: number): Promise<void> {
  const events = Array.from({ length: count }, () => {
    const n = sent++;
    const data = { tokens: `${n}.1`, model: ['large', 'groß, "q"', undefined][n % 3], key: `k${n % 5}` };
    const time = `${day(daysAgo)}T${String(n % 24).padStart(2, '0')}:00:00.${String(n).padStart(6, '0')}Z`;
    return {
      specversion: '1.0',
      id: `e${n}`,
      source: 'test',
      type: 'prompt',
      subject: `s${n % 3}`,
      time,
      data,
      tier: n,
    };
  });
  const response = await fetch(`${apps.url}/api/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/cloudevents-batch+json', Prefer: 'wait=30' },
    body: JSON.stringify(events),
  });
  expect(response.status).toBe(200);
}

let s3: Record<string, string> = {};

function spawnExport(target: string, args: string[]) {
  return Bun.spawn([process.execPath, 'scripts/export.ts', target, ...args], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: apps.database.url, ...s3 },
    stdout: 'pipe',
    stderr: 'pipe',
  });
}

async function runExport(target: string, ...args: string[]) {
  const child = spawnExport(target, args);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, text: out + err };
}

interface Manifest {
  kind: 'events' | 'usage';
  revision: number;
  files: { path: string; day: string; rows: number; isLate?: boolean }[];
}

/** As a reader does it: the files that manifests name; of a day's usage the newest revision. */
async function filesOf(
  target: string,
  kind: Manifest['kind'],
): Promise<{ path: string; isLate?: boolean }[]> {
  const names = await readdir(join(target, 'manifest'));
  const all = await Promise.all(
    names.map(async (name) => (await Bun.file(join(target, 'manifest', name)).json()) as Manifest),
  );
  const own = all.filter((manifest) => manifest.kind === kind);
  const newest = new Map(own.sort((a, b) => a.revision - b.revision).map((one) => [one.files[0]!.day, one]));
  return (kind === 'usage' ? [...newest.values()] : own).flatMap(({ files }) => files);
}

async function listOf(target: string, kind: Manifest['kind']): Promise<string> {
  return `[${(await filesOf(target, kind)).map(({ path }) => `'${join(target, path)}'`).join(',')}]`;
}

interface ApiRow {
  value: number;
  valueExact?: string;
  windowStart: string;
  subject: string;
  groupBy: Record<string, string>;
}

/** Of the days that are over. */
async function api(slug: string, query: string): Promise<ApiRow[]> {
  const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query?to=${day(0)}T00:00:00Z&${query}`);
  return ((await response.json()) as { data: ApiRow[] }).data;
}

async function expectEqualToApi(target: string, reader: 'read_parquet' | 'read_csv'): Promise<void> {
  const events = `${reader}(${await listOf(target, 'events')})`;
  const [raw] = await duck(`
    SELECT count(*)::int AS count, count(DISTINCT id)::int AS ids,
           sum((data->>'$.tokens')::DECIMAL(30,6))::text AS tokens FROM ${events}`);
  const everything = (await (await fetch(`${apps.url}/api/v1/meters/tokens/query`)).json()) as {
    data: ApiRow[];
  };
  expect<object>({ ...raw, tokens: Number(raw!.tokens) }).toEqual({
    count: sent,
    ids: sent,
    tokens: everything.data[0]!.value,
  });
  const rows = await duck(
    `
    SELECT meter, subject, group_by->>'$.model' AS model, strftime(window_start, '%Y-%m-%dT%H:%M:%SZ') AS start,
           value_exact::DOUBLE AS value
    FROM ${reader}(${await listOf(target, 'usage')}${reader === 'read_csv' ? ', all_varchar = true' : ''})`.replace(
      'strftime(window_start',
      reader === 'read_csv' ? 'strftime(window_start::TIMESTAMP' : 'strftime(window_start',
    ),
  );
  for (const slug of ['tokens', 'calls', 'keys', 'highest']) {
    const group = slug === 'tokens' ? '&groupBy=model' : '';
    const wanted = (await api(slug, `windowSize=HOUR&groupBy=subject${group}`)).map((row) => ({
      meter: slug,
      subject: row.subject,
      model: row.groupBy.model ?? null,
      start: row.windowStart,
      value: row.value,
    }));
    const order = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    const found = rows
      .filter((row) => row.meter === slug)
      .map(({ meter, subject, model, start, value }) => ({ meter, subject, model, start, value }));
    expect(found.sort(order)).toEqual(wanted.sort(order) as typeof found);
    expect(found.length).toBeGreaterThan(0);
  }
}

describe.each(['parquet', 'csv'] as const)('%s', (format) => {
  const options = ['--format', format, '--wait-hours', '0', '--events-max', '200'];
  const reader = format === 'csv' ? 'read_csv' : 'read_parquet';
  let target: string;
  beforeAll(() => {
    target = join(folder, format);
  });

  test('holds what the API answers, each event once, by the day of its own time', async () => {
    await send(300, 2);
    await send(300, 1);
    await send(50, 0);
    expect(await runExport(target, ...options)).toMatchObject({ code: 0 });
    await expectEqualToApi(target, reader);
    const days = (await readdir(join(target, 'events'))).sort();
    expect(days).toEqual([2, 1, 0].map((ago) => `day=${day(ago)}`));
    const [row] = await duck(`SELECT * FROM ${reader}(${await listOf(target, 'events')}) WHERE id = 'e1'`);
    expect(JSON.parse(String(row!.data))).toEqual({ tokens: '1.1', model: 'groß, "q"', key: 'k1' });
    expect(JSON.parse(String(row!.attributes))).toEqual({ tier: 1 });
    expect(String(row!.time)).toStartWith(`${day(2)} 01:00:00.000001`);
  });

  test('a second run changes nothing; late events come in files of their own, their day in a new revision', async () => {
    const before = await changeTimes(target);
    expect((await runExport(target, ...options)).text).toContain('0 events in 0 runs, usage of 0 days');
    expect(await changeTimes(target)).toEqual(before);
    await send(20, 2);
    const again = await runExport(target, ...options);
    expect(again.text).toContain('20 events in 1 runs, usage of 1 days');
    const after = await changeTimes(target);
    expect(Object.fromEntries(Object.entries(after).filter(([path]) => path in before))).toEqual(before);
    const added = Object.keys(after).filter((path) => !(path in before));
    expect(
      added
        .filter((path) => path.startsWith('events'))
        .every((path) => path.includes(`${day(2)}/`) && path.includes('-late')),
    ).toBe(true);
    await expectEqualToApi(target, reader);
  });
});

/** When each file was changed last, by its path. */
async function changeTimes(target: string): Promise<Record<string, number>> {
  const paths = (await readdir(target, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const times = await Promise.all(
    paths.map(async (path) => [path.slice(target.length + 1), (await stat(path)).mtimeMs]),
  );
  return Object.fromEntries(times);
}

describe('an exporter', () => {
  test('that is killed again and again leaves each event in one file that a manifest names', async () => {
    const target = join(folder, 'killed');
    const options = ['--wait-hours', '0', '--events-max', '40'];
    for (let n = 0; n < 15; n++) await send(40, 3);
    for (let files = 1; files < 40; files += 6) {
      const child = spawnExport(target, options);
      const isFar = async () => (await readdir(join(target, 'manifest')).catch(() => [])).length >= files;
      while (child.exitCode === null && !(await isFar())) await Bun.sleep(1);
      child.kill('SIGKILL');
      await child.exited;
      await expireLease();
    }
    expect(await runExport(target, ...options)).toMatchObject({ code: 0 });
    await expectEqualToApi(target, 'read_parquet');
    expect(Object.keys(await changeTimes(target)).filter((path) => path.includes('.incomplete'))).toEqual([]);
  });

  test('writes to a bucket what it writes to a folder', async () => {
    const server = await startS3(join(folder, 'buckets'), 'exports');
    s3 = server.env;
    const options = ['--wait-hours', '0', '--events-max', '500'];
    expect(await runExport('s3://exports/usage/', ...options)).toMatchObject({ code: 0 });
    await send(10, 1);
    expect(await runExport('s3://exports/usage', ...options)).toMatchObject({ code: 0 });
    const target = join(folder, 'from-s3');
    const client = new S3Client(server.client);
    for (const key of await server.keys())
      await Bun.write(join(target, key.slice('usage/'.length)), client.file(key));
    await expectEqualToApi(target, 'read_parquet');
    expect(await runExport('s3://none/usage')).toMatchObject({ code: 1 });
    await server.stop();
  });

  test('is one for a target, and refuses a target of another database', async () => {
    const target = join(folder, 'parquet');
    await query(
      "UPDATE export_targets SET owner = gen_random_uuid(), leased_until = now() + interval '1 minute'",
    );
    expect(await runExport(target)).toMatchObject({
      code: 1,
      text: expect.stringContaining('Another exporter'),
    });
    await query('DELETE FROM export_days; DELETE FROM export_runs; DELETE FROM export_targets');
    expect(await runExport(target)).toMatchObject({
      code: 1,
      text: expect.stringContaining('another database'),
    });
  });

  test.each([
    [['--format', 'orc']],
    [['--usage', 'WEEK']],
    [['--every', '0']],
    [['--events-max', 'x']],
    [['--what']],
  ])('refuses %p', async (options) => {
    expect(await runExport(join(folder, 'none'), ...options)).toMatchObject({ code: 2 });
  });
});

/** As if five minutes had passed. */
const expireLease = () => query("UPDATE export_targets SET leased_until = '-infinity'");

async function query(statement: string): Promise<void> {
  await withClient(apps.database.url, (client) => client.query(statement));
}
