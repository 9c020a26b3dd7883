import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from './lock.ts';

const folder = await mkdtemp(join(tmpdir(), 'usage-lock-'));
const file = join(folder, 'start.lock');
afterAll(() => rm(folder, { recursive: true }));

test('a second start in the same folder is refused, until the first has ended', async () => {
  const release = await takeLock(file);
  await expect(takeLock(file)).rejects.toThrow(`It runs already in this folder (process ${process.pid})`);
  await release();
  await (await takeLock(file))();
});

test('the lock of a process that is gone is taken over', async () => {
  const gone = Bun.spawn(['true']);
  await gone.exited;
  await writeFile(file, `${gone.pid} 12345`);
  await (await takeLock(file))();
});

test('so is that of a process whose id belongs to another one by now', async () => {
  await writeFile(file, `${process.pid} 1`);
  const release = await takeLock(file);
  expect(await readFile(file, 'utf8')).not.toBe(`${process.pid} 1`);
  await release();
});
