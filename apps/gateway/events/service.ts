import type { Access, Identity } from '@usage/lib/auth/access.ts';
import { encodeFrame, type FramePart, type FrameVersion } from '@usage/lib/frame/frame.ts';
import { unavailable } from '@usage/lib/http/problem.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { type FrameBatcher, QueueFull } from '../frames.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { PressureGate } from '../pressure.ts';
import { type RequestLimits, readEvents } from './read.ts';

export interface Ingest {
  gate: PressureGate;
  batcher: FrameBatcher;
  limits: RequestLimits;
  metrics: GatewayMetrics;
}

/** Long enough for the processors to make room, short enough not to fill the client's own buffers. */
const retrySeconds = 1;

/** Resolves once Redis has acknowledged every event of the request; throws a Problem when nothing was kept. */
export async function ingestEvents(
  ingest: Ingest,
  request: Request,
  access: Access,
  identity: Identity,
): Promise<void> {
  const { gate, batcher, limits, metrics } = ingest;
  if (gate.refusal) throw unavailable(`No events are taken now: ${gate.refusal}.`, retrySeconds);
  const receivedMs = Date.now();
  const { text, bytes, count } = await readEvents(request, limits);
  if (count === 0) return;
  access.takeEvents(identity, count);
  try {
    await batcher.add({ namespace: identity.namespace, receivedMs, events: text, count }, bytes);
  } catch (error) {
    throw notAcknowledged(error as Error);
  }
  metrics.eventsAccepted.inc(count);
}

/** What the batcher does with a full frame: encode, append, measure. */
export function frameAppender(stream: EventStream, version: FrameVersion, metrics: GatewayMetrics) {
  return async (parts: readonly FramePart[], events: number): Promise<void> => {
    const frame = encodeFrame(parts, version);
    metrics.frameEvents.observe(events);
    metrics.frameBytes.observe(frame.length);
    const startedMs = performance.now();
    try {
      await stream.append(frame, events);
    } catch (error) {
      metrics.appendsFailed.inc();
      throw error;
    }
    metrics.appendSeconds.observe((performance.now() - startedMs) / 1_000);
  };
}

/**
 * 503 whatever Redis said: sending the same ids again is right in every case. When the connection broke after the
 * frame had been sent it may be stored already; then the retry is a duplicate and counts once.
 */
function notAcknowledged(error: Error): Error {
  if (error instanceof QueueFull)
    return unavailable(`No events are taken now: ${error.message}.`, retrySeconds);
  if (error.message.startsWith('OOM')) {
    return unavailable(
      'No events are taken now: the event stream is full (Redis is out of memory).',
      retrySeconds,
      error,
    );
  }
  return unavailable(
    'The event stream (Redis) did not acknowledge the events; send the same ids again, doubles count once.',
    retrySeconds,
    error,
  );
}
