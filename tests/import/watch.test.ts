import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startImportTest } from './run.ts';

/** A folder that is watched: what comes into it counts once, and what became of it stands beside it. */
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

test.each([[['--watch', '0']], [['--watch', '1', '--dry-run']], [['--watch', '1', '--batch', '0']]])(
  '%p is refused',
  async (args) => {
    expect((await importing.run(folder, ...options, ...args)).code).toBe(2);
  },
);
