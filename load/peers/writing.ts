import { grouped, type Progress } from '../report.ts';
import { batchesOf, type EventFile, type FileEvent } from './eventFile.ts';
import { batchEvents, type Written } from './peer.ts';

/** Made before the clock starts again. */
const batchesAhead = 16;
const writersAtOnce = 2;

/** Writes all events in large batches, two at once. The clock stands while the next batches are made. Says what was written. */
export async function writeBatches<T>(
  file: EventFile,
  make: (events: FileEvent[]) => T,
  write: (batch: T) => Promise<unknown>,
  progress: Progress,
): Promise<Written> {
  const written: Written = { events: 0, seconds: 0 };
  let ready: T[] = [];
  const writeReady = async () => {
    const batches = ready;
    ready = [];
    written.seconds += await secondsToWrite(batches, write);
    progress(`${grouped(written.events)} of ${grouped(file.events)} events written`);
  };
  for await (const events of batchesOf(file, batchEvents)) {
    ready.push(make(events));
    written.events += events.length;
    if (ready.length === batchesAhead) await writeReady();
  }
  await writeReady();
  return written;
}

async function secondsToWrite<T>(batches: T[], write: (batch: T) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  const work = async () => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) await write(batch);
  };
  await Promise.all(Array.from({ length: writersAtOnce }, work));
  return (performance.now() - startedMs) / 1_000;
}
