import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Client } from 'bun';
import { startClientTest } from '../client/stack.ts';
import { duck } from '../export/duck.ts';
import { startS3 } from '../support/s3.ts';
import { startImportTest } from './run.ts';

/** A folder or bucket that is watched: what comes into it counts once, and what became of it stands beside it. */
let importing: Awaited<ReturnType<typeof startImportTest>>;
let folder: string;
let watcher: ReturnType<typeof importing.spawn>;
const options = ['--type', 'watched', '--subject-column', 'customer', '--time-column', 'time'];

beforeAll(async () => {
  importing = await startImportTest();
  await importing.meter('watched');
  folder = join(importing.folder, 'watched');
  await mkdir(folder);
  watcher = importing.spawn(folder, '--watch', '1', ...options);
});
afterAll(async () => {
  watcher.kill('SIGKILL');
  await watcher.exited;
  await importing.stop();
});

const head = 'customer,time,tokens\n';
const row = (tokens: number) => `acme,2026-11-01T10:00:00Z,${tokens}\n`;
const total = async () => (await importing.usage('watched'))[0]?.value;

async function mark(name: string): Promise<{ lines: string[]; bytes: number }> {
  for (;;) {
    // A file that was not there stays so for the same Bun.file.
    const content = await Bun.file(join(folder, name))
      .json()
      .catch(() => undefined);
    if (content) return content;
    await Bun.sleep(10);
  }
}

test('a file that comes is imported; one that is refused is imported when it is mended', async () => {
  await Bun.write(join(folder, 'a.csv'), head + row(5));
  await Bun.write(join(folder, 'b.csv'), `${head}acme,soon,7\n`);
  await Bun.write(join(folder, 'notes.txt'), 'no usage');
  expect((await mark('a.csv.imported.json')).lines).toContain('1 events sent in 1 requests.');
  expect((await mark('b.csv.refused.json')).lines[0]).toContain('line 2');
  expect(await total()).toBe(5);
  await Bun.write(join(folder, 'b.csv'), head + row(7));
  expect((await mark('b.csv.imported.json')).lines).toContain('1 events sent in 1 requests.');
  expect(await total()).toBe(12);
});

test('after a kill the same files change nothing, and a signal ends it', async () => {
  watcher.kill('SIGKILL');
  await watcher.exited;
  await Bun.file(join(folder, 'a.csv.imported.json')).delete();
  watcher = importing.spawn(folder, '--watch', '1', ...options);
  expect((await mark('a.csv.imported.json')).lines).toContain('0 events sent in 0 requests.');
  expect(await total()).toBe(12);
  watcher.kill('SIGTERM');
  expect(await watcher.exited).toBe(0);
});

test('a bucket is watched like a folder, Parquet too; each object counts once, across a kill', async () => {
  const server = await startS3(join(importing.folder, 'buckets'), 'incoming');
  const bucket = new S3Client(server.client);
  const type = 'bucket';
  await importing.meter(type);
  const spawnWatcher = () =>
    importing.spawnWith(
      server.env,
      's3://incoming/usage',
      '--watch',
      '1',
      '--type',
      type,
      ...options.slice(2),
    );
  const marked = async (name: string): Promise<{ lines: string[] }> => {
    const file = bucket.file(`usage/${name}`);
    while (!(await file.exists())) await Bun.sleep(20);
    return await file.json();
  };
  const parquet = join(importing.folder, 'b.parquet');
  await duck(
    `COPY (SELECT 'acme' AS customer, '2026-11-01T10:00:00Z' AS time, 20 AS tokens) TO '${parquet}' (FORMAT parquet)`,
  );
  await bucket.write('usage/day=1/a.csv', head + row(5));
  await bucket.write('usage/day=2/a.csv', head + row(6));
  await bucket.write('elsewhere/a.csv', head + row(1_000));
  await bucket.write('usage/b.parquet', Bun.file(parquet));
  await bucket.write('usage/wrong.csv', `${head}acme,soon,7\n`);
  let watching = spawnWatcher();
  const imported = ['day=1/a.csv', 'day=2/a.csv', 'b.parquet'].map((name) => marked(`${name}.imported.json`));
  for (const { lines } of await Promise.all(imported))
    expect(lines).toContain('1 events sent in 1 requests.');
  expect((await marked('wrong.csv.refused.json')).lines[0]).toContain('line 2');
  expect((await importing.usage(type))[0]?.value).toBe(31);
  // A copy under another name, or other usage with the same rows? Nobody can tell.
  await bucket.write('usage/day=3/a.csv', head + row(6));
  expect((await marked('day=3/a.csv.refused.json')).lines[0]).toContain(
    'stored with the source "day=2/a.csv"',
  );
  watching.kill('SIGKILL');
  await watching.exited;
  await bucket.delete('usage/b.parquet.imported.json');
  await bucket.write('usage/wrong.csv', head + row(7));
  watching = spawnWatcher();
  expect((await marked('b.parquet.imported.json')).lines).toContain('0 events sent in 0 requests.');
  expect((await marked('wrong.csv.imported.json')).lines).toContain('1 events sent in 1 requests.');
  expect((await importing.usage(type))[0]?.value).toBe(38);
  watching.kill('SIGTERM');
  expect(await watching.exited).toBe(0);
  await server.stop();
}, 120_000);

test('a gateway that goes away while a file is sent is no reason to refuse the file', async () => {
  const stack = await startClientTest();
  await stack.startGateway();
  await stack.meter('away');
  const place = join(importing.folder, 'away');
  await mkdir(place);
  const rows = Array.from({ length: 10_000 }, (_, n) => JSON.stringify(eventOf(n))).join('\n');
  await Bun.write(join(place, 'a.ndjson'), rows);
  const watching = importing.spawn(place, '--watch', '1', '--url', stack.url, '--batch', '5');
  const printed = watching.stdout.getReader();
  const isCounted = async () => {
    const response = await fetch(`${stack.apps.url}/api/v1/meters/away_count/query`);
    return ((await response.json()) as { data: unknown[] }).data.length > 0;
  };
  while (!(await isCounted())) await Bun.sleep(5);
  await stack.killGateway();
  expect(new TextDecoder().decode((await printed.read()).value)).toContain('a.ndjson waits');
  await stack.startGateway();
  while (!(await Bun.file(join(place, 'a.ndjson.imported.json')).exists())) await Bun.sleep(50);
  expect(await stack.total('away')).toEqual({ count: 10_000, sum: (10_000 * 9_999) / 2 });
  watching.kill('SIGTERM');
  await watching.exited;
  await stack.stop();
}, 120_000);

const eventOf = (n: number) => ({
  specversion: '1.0',
  id: `e${n}`,
  source: 'files',
  type: 'away',
  subject: 's',
  time: '2026-11-01T10:00:00Z',
  data: { n },
});

test.each([[['--watch', '0']], [['--watch', '1', '--dry-run']], [['--watch', '1', '--batch', '0']]])(
  '%p is refused',
  async (args) => {
    expect((await importing.run(folder, ...options, ...args)).code).toBe(2);
  },
);
