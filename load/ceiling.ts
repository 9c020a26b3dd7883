import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import {
  type CopyFormat,
  checkpoint,
  copyIntoTwin,
  countTwin,
  createTwin,
  dropTwin,
  exportAsCopy,
} from '@usage/db/twin.ts';
import type { Stack } from './stack.ts';

const pieceBytes = 256 * 1_024;

/**
 * What the store takes at most: the rows that are stored, prepared beforehand, by one COPY over one connection into an
 * empty twin of the events table, while nothing else is done. Rows a second.
 */
export async function measureCeiling({ sql }: Stack, format: CopyFormat): Promise<number> {
  const file = await exportAsCopy(sql, format);
  try {
    await createTwin(sql);
    await checkpoint(sql);
    const startedMs = performance.now();
    await copyIntoTwin(sql, format, createReadStream(file, { highWaterMark: pieceBytes }));
    const seconds = (performance.now() - startedMs) / 1_000;
    return (await countTwin(sql)) / seconds;
  } finally {
    await rm(file, { force: true });
    await dropTwin(sql);
  }
}
