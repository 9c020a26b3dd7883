import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { cleanBatches, EventPool } from './events.ts';
import { OpenReconciliation } from './reconciliation.ts';
import { grouped, type Progress } from './report.ts';
import type { Stack } from './stack.ts';

const appendsAtOnce = 16;
/** So that the stream stays far from its bound. */
const framesWaitingMax = 2_000;
const waitMs = 50;

export interface Preload {
  events: number;
  /** The events' times, from the first sent to the last. */
  fromMs: number;
  toMs: number;
}

/** Puts events straight into the stream, as a gateway does after it has validated them; resolves when they are stored. */
export async function preload(
  stack: Stack,
  { events, fromMs, toMs }: Preload,
  progress: Progress,
): Promise<void> {
  const reconciliation = await OpenReconciliation.open(stack);
  const perFrame = cleanBatches.eventsPerRequest;
  const pool = new EventPool(cleanBatches);
  const frames = Math.ceil(events / perFrame);
  const lengthMs = (toMs - fromMs) / frames;
  for (let n = 0; n < frames; n += appendsAtOnce) {
    const appends: Promise<unknown>[] = [];
    for (let at = n; at < Math.min(n + appendsAtOnce, frames); at++) {
      const body = pool.nextWithin(fromMs + at * lengthMs, lengthMs).toString('latin1');
      const part = { namespace: 'default', receivedMs: Date.now(), events: body, count: perFrame };
      appends.push(stack.stream.append(encodeFrame([part]), perFrame));
    }
    await Promise.all(appends);
    progress(`${grouped(n * perFrame)} of ${grouped(events)} events put into the stream`);
    while ((await stack.redis.xlen(stack.stream.key)) > framesWaitingMax) await Bun.sleep(waitMs);
  }
  await reconciliation.settled((events, deltas) =>
    progress(`${grouped(events)} events wait to be stored, ${deltas} deltas to be merged`),
  );
  await reconciliation.close(frames * perFrame);
}
