import { eventStorage } from '@usage/db/schema/storagePolicies.ts';
import { OpenReconciliation } from '../reconciliation.ts';
import { grouped, type Progress } from '../report.ts';
import { compressAllDays, databaseBytes, storedBytes, vacuumAll, walBytes } from '../sql/disk.ts';
import { countBooks } from '../sql/reconciliation.ts';
import { type Stack, startStack, storageOf } from '../stack.ts';
import { type EventFile, linesOf } from './eventFile.ts';
import { folderBytes } from './folderBytes.ts';
import { answerMsMax, type Peer, type PeerKind, type Written } from './peer.ts';

const connections = 10;
/** The gateway says 503 while the stream is full; a request is sent again for so long. */
const refusedMsMax = 120_000;
const millisecondsPerSecond = 1_000;

/** This system, every part a process of its own, as the other scenarios run it. */
export const product: PeerKind = {
  name: 'this system',
  missing: async () => undefined,
  open,
};

async function open(): Promise<Peer> {
  const stack = await startStack();
  const emptyBytes = await databaseBytes(stack.sql);
  const storage = await eventStorage(stack.sql);
  const facts = {
    name: product.name,
    sentTwice: 'counted once, by namespace, source and id, within the dedupe window',
    numbers: 'exact decimals',
    acknowledged:
      'in Redis (append-only file, synced each second), then committed and synced in PostgreSQL; the rate is of what is committed and rolled up',
    answersFrom:
      'sums by minute, hour and day of meters that are made beforehand (here three); a meter made later is first filled from the events',
    writing: `over HTTP with an API key, validated, 500 events a request, ${connections} at once; nearly every event of a month of them is another minute of its subject, which is the most work for rollups (\`batch\` has the rate of events as they happen)`,
    asking: 'over HTTP with an API key',
    settings: `${await storageOf(stack)}, Redis; settings of \`npm start\``,
  };
  return {
    facts,
    write: (file, progress) => write(stack, file, progress),
    async settle(progress) {
      const grown = async () => (await databaseBytes(stack.sql)) - emptyBytes;
      const logBytes = (await walBytes(stack.sql)) + (await redisBytes(stack));
      const before = { writtenBytes: await grown(), walBytes: logBytes };
      progress('compressing the days');
      if (storage === 'columnstore') await compressAllDays(stack.sql);
      await vacuumAll(stack.sql);
      const { identities, rollups } = await storedBytes(stack.sql);
      const settledBytes = await grown();
      facts.settings += `; ${storage === 'columnstore' ? 'days compressed' : 'vacuumed'} before it was asked; of its bytes ${share(identities, settledBytes)} are identities, ${share(rollups, settledBytes)} rollups`;
      return { ...before, settledBytes };
    },
    async ask(question, n) {
      const path = question.paths[n % question.paths.length]!;
      const { window, groupBy } = question.raw(n);
      const response = await fetch(`${stack.queryUrl}${path}`, {
        headers: stack.headers,
        signal: AbortSignal.timeout(answerMsMax),
      });
      if (!response.ok)
        throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
      const { data } = (await response.json()) as { data: MeterRow[] };
      return data.map((row) => ({
        windowMs: window ? Date.parse(row.windowStart) : null,
        groups: groupBy.map((key) => row.groupBy[key]!),
        value: Number(row.value),
      }));
    },
    stop: stack.stop,
  };
}

interface MeterRow {
  value: number | string;
  windowStart: string;
  groupBy: Record<string, string | null>;
}

/** Of the append-only file. */
async function redisBytes({ redis }: Stack): Promise<number> {
  const [, folder] = (await redis.config('GET', 'dir')) as [string, string];
  return folderBytes(folder);
}

function share(part: number, whole: number): string {
  return `${Math.round((part / whole) * 100)} %`;
}

/** From the first request until every event is committed and rolled up. Rejects when one is missing or too many. */
async function write(stack: Stack, file: EventFile, progress: Progress): Promise<Written> {
  const reconciliation = await OpenReconciliation.open(stack);
  const bodies = linesOf(file);
  let sent = 0;
  const startedMs = Date.now();
  const work = async () => {
    for (let body = await bodies.next(); !body.done; body = await bodies.next()) {
      await send(stack, body.value);
      sent += file.perLine;
      progress(`${grouped(sent)} of ${grouped(file.events)} events sent`);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  const settledMs = await reconciliation.settled((events, deltas) =>
    progress(`${grouped(events)} events wait to be stored, ${deltas} deltas to be merged`),
  );
  await reconciliation.close(sent);
  const { stored } = await countBooks(stack.sql);
  return { events: stored, seconds: (settledMs - startedMs) / millisecondsPerSecond };
}

async function send(stack: Stack, body: string): Promise<void> {
  const deadline = performance.now() + refusedMsMax;
  for (;;) {
    const response = await fetch(`${stack.gatewayUrl}/api/v1/events`, {
      method: 'POST',
      headers: { ...stack.headers, 'content-type': 'application/cloudevents-batch+json' },
      body,
      signal: AbortSignal.timeout(answerMsMax),
    });
    const text = await response.text();
    if (response.ok) return;
    if (response.status !== 503 || performance.now() > deadline) {
      throw new Error(`events were answered with ${response.status}: ${text}`);
    }
    await Bun.sleep(Number(response.headers.get('retry-after') ?? 1) * millisecondsPerSecond);
  }
}
