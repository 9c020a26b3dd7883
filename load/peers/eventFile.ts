import { createReadStream } from 'node:fs';
import { open, statfs, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { cleanBatches, EventPool } from '../events.ts';
import { grouped, type Progress } from '../report.ts';

/** The same events for every system: a file whose lines are request bodies, each a JSON array of `perLine` events. */
export interface EventFile {
  path: string;
  events: number;
  perLine: number;
}

export interface FileEvent {
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  data: Record<string, string | number>;
}

/** File, write-ahead logs, and the largest of the systems before it is merged or compressed. */
const diskBytesPerEvent = 1_500;

/** Events spread over a stretch of time, in its order. Rejects when the disk has no room for the whole run. */
export async function writeEventFile(
  path: string,
  { events, fromMs, toMs }: { events: number; fromMs: number; toMs: number },
  progress: Progress,
): Promise<EventFile> {
  const perLine = cleanBatches.eventsPerRequest;
  const lines = Math.ceil(events / perLine);
  const lengthMs = (toMs - fromMs) / lines;
  const pool = new EventPool(cleanBatches);
  const file = await open(path, 'w');
  try {
    const { bavail, bsize } = await statfs(path);
    if (bavail * bsize < events * diskBytesPerEvent) {
      throw new Error(
        `${grouped(events)} events need ${grouped((events * diskBytesPerEvent) / 1e9)} GB of disk, ${grouped((bavail * bsize) / 1e9)} are free: use fewer (--events).`,
      );
    }
    for (let n = 0; n < lines; n++) {
      await file.write(pool.nextWithin(fromMs + n * lengthMs, lengthMs));
      await file.write('\n');
      progress(`${grouped(n * perLine)} of ${grouped(events)} events made`);
    }
  } finally {
    await file.close();
  }
  return { path, events: lines * perLine, perLine };
}

const linesSentAgain = 20;

/** Some of the events once more, from the middle of the month, and what they add to the meter that is asked about. */
export interface Resend {
  file: EventFile;
  tokens: number;
}

export async function writeResend(path: string, of: EventFile): Promise<Resend> {
  const first = Math.floor(of.events / of.perLine / 2);
  const lines: string[] = [];
  let n = 0;
  for await (const line of linesOf(of)) {
    if (n++ >= first && lines.length < linesSentAgain) lines.push(line);
  }
  await writeFile(path, `${lines.join('\n')}\n`);
  const events = lines.flatMap((line) => JSON.parse(line) as FileEvent[]);
  const tokens = events
    .filter(({ type }) => type === 'prompt')
    .reduce((sum, { data }) => sum + (data.tokens as number), 0);
  return { file: { path, events: events.length, perLine: of.perLine }, tokens };
}

/** Request bodies, one after the other. */
export function linesOf({ path }: EventFile): AsyncIterableIterator<string> {
  const lines = createInterface({ input: createReadStream(path, { highWaterMark: 2 ** 20 }) });
  return lines[Symbol.asyncIterator]();
}

/** Events in batches of at most so many. */
export async function* batchesOf(file: EventFile, size: number): AsyncGenerator<FileEvent[]> {
  const batch: FileEvent[] = [];
  for await (const line of linesOf(file)) {
    batch.push(...(JSON.parse(line) as FileEvent[]));
    if (batch.length < size) continue;
    yield batch.splice(0, size);
  }
  if (batch.length > 0) yield batch;
}
