import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { round, UseMeter } from './measure.ts';
import {
  type CopyFormat,
  checkpoint,
  copyIntoTwin,
  countTwin,
  createTwin,
  dropTwin,
  exportAsCopy,
} from './sql/twin.ts';
import type { Stack } from './stack.ts';

const pieceBytes = 256 * 1_024;

export interface Ceiling {
  rowsPerSecond: number;
  /** Of PostgreSQL: unlike the rate, the same however busy the machine is with other things. */
  cpuMicrosecondsPerRow: number;
}

/**
 * What the store takes at most: the rows that are stored, prepared beforehand, by one COPY over one connection into an
 * empty twin of the events table, while nothing else is done.
 */
export async function measureCeiling({ sql, processes }: Stack, format: CopyFormat): Promise<Ceiling> {
  const file = await exportAsCopy(sql, format);
  try {
    await createTwin(sql);
    await checkpoint(sql);
    const meter = new UseMeter(processes.filter(({ name }) => name === 'postgres'));
    meter.start();
    const startedMs = performance.now();
    await copyIntoTwin(sql, format, createReadStream(file, { highWaterMark: pieceBytes }));
    const seconds = (performance.now() - startedMs) / 1_000;
    const { cpuSeconds } = meter.stop();
    const rows = await countTwin(sql);
    return {
      rowsPerSecond: Math.round(rows / seconds),
      cpuMicrosecondsPerRow: round(((cpuSeconds.postgres ?? 0) / rows) * 1_000_000, 2),
    };
  } finally {
    await rm(file, { force: true });
    await dropTwin(sql);
  }
}
