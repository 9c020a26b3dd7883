import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from 'bun';
import { openPlace } from '../../scripts/import/places.ts';
import { startS3 } from '../support/s3.ts';

/** What a bucket is read with. */
let folder: string;
let server: Awaited<ReturnType<typeof startS3>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usage-places-'));
  server = await startS3(folder, 'many');
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test('a list that comes in pages is whole, and each file is read and marked under its own name', async () => {
  const bucket = new S3Client(server.client);
  const count = 1_050;
  for (let at = 0; at < count; at += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => bucket.write(`usage/day=${at}/ü ${n}.csv`, `${at + n}`)),
    );
  await bucket.write('usages/other.csv', 'no');
  const place = await openPlace('s3://many/usage/', server.client);
  const files = await place.list();
  expect(files).toHaveLength(count);
  expect(new Set(files.map(({ name }) => name)).size).toBe(count);
  expect(await place.withFile('day=1000/ü 49.csv', (path) => Bun.file(path).text())).toBe('1049');
  expect(await place.readText('day=1000/ü 49.csv.imported.json')).toBeUndefined();
  await place.writeText('day=1000/ü 49.csv.imported.json', '{}');
  expect(await place.readText('day=1000/ü 49.csv.imported.json')).toBe('{}');
  expect(await bucket.exists('usage/day=1000/ü 49.csv.imported.json')).toBe(true);
  await expect(openPlace(join(folder, 'none'))).rejects.toThrow('there is no such folder');
});
