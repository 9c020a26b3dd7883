import { encodeFrame, type FramePart, type FrameVersion } from '@usage/lib/frame/encode.ts';
import type { BodyReader } from '@usage/lib/http/body.ts';
import { unavailable } from '@usage/lib/http/problem.ts';
import { TooFewReplicas } from '@usage/lib/stream/replicatedAppends.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import type { ActivityRecorder } from '../activity/recorder.ts';
import type { FrameBatcher } from '../frameBatcher.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { PressureGate } from '../pressure.ts';
import type { Outcomes } from './outcomes.ts';
import type { AcceptedEvents, RequestLimits } from './read.ts';

export interface Ingest {
  gate: PressureGate;
  batcher: FrameBatcher;
  limits: RequestLimits & { bodyMsMax: number };
  bodies: BodyReader;
  metrics: GatewayMetrics;
  outcomes: Outcomes;
  activity: ActivityRecorder;
  /** Rejects with a Problem where a backfill takes no events. */
  requireBackfill(namespace: string, id: string): Promise<void>;
}

/** Long enough for the processors to make room, short enough not to fill the client's own buffers. */
const retrySeconds = 1;

/** Events of the request are of this backfill, which takes some now; undefined: they count from their commit on. */
export async function backfillOf(
  ingest: Ingest,
  namespace: string,
  headers: Headers,
): Promise<string | undefined> {
  const id = headers.get('usage-backfill') ?? undefined;
  if (id !== undefined) await ingest.requireBackfill(namespace, id);
  return id;
}

/** Events as JSON text: one or an array of them. */
export type EventTexts = Pick<AcceptedEvents, 'text' | 'bytes' | 'count'>;

/** Resolves once Redis has acknowledged the events; 503 when it has not. */
export async function keepEvents(
  ingest: Ingest,
  namespace: string,
  { text, bytes, count }: EventTexts,
  { waitToken, backfill }: { waitToken?: string | undefined; backfill?: string | undefined } = {},
): Promise<void> {
  refuseWhileFull(ingest);
  const part: FramePart = { namespace, receivedMs: Date.now(), events: text, count };
  if (waitToken !== undefined) part.waitToken = waitToken;
  if (backfill !== undefined) part.backfill = backfill;
  await ingest.batcher.add(part, bytes);
  ingest.activity.accepted(namespace, count);
}

/** 503 while Redis nears its bound: nothing is read of a request that can't be kept. */
export function refuseWhileFull({ gate }: Ingest): void {
  if (gate.refusal) throw unavailable(`No events are taken now: ${gate.refusal}.`, retrySeconds);
}

/** What the batcher does with a full frame: encode, append, measure. Rejects with the Problem that the clients get. */
export function frameAppender(
  stream: EventStream,
  gate: PressureGate,
  version: FrameVersion,
  metrics: GatewayMetrics,
) {
  return async (parts: readonly FramePart[], events: number): Promise<void> => {
    const frame = encodeFrame(parts, version);
    metrics.frameEvents.observe(events);
    metrics.frameBytes.observe(frame.length);
    const startedMs = performance.now();
    try {
      gate.acknowledged(await stream.append(frame, events, gate.open));
    } catch (error) {
      metrics.appendsFailed.inc();
      throw notAcknowledged(error as Error);
    }
    metrics.eventsAccepted.inc(events);
    metrics.appendSeconds.observe((performance.now() - startedMs) / 1_000);
  };
}

/**
 * 503 whatever Redis said: sending the same ids again is right in every case. When the connection broke after the
 * frame had been sent it may be stored already; then the retry is a duplicate and counts once.
 */
function notAcknowledged(error: Error): Error {
  const { message } = error;
  if (message.startsWith('OOM')) {
    return unavailable(
      'No events are taken now: the event stream is full (Redis is out of memory).',
      retrySeconds,
      error,
    );
  }
  if (message.startsWith('MISCONF'))
    return unavailable('No events are taken now: Redis can not write to its disk.', retrySeconds, error);
  const reason = error instanceof TooFewReplicas ? `: ${message}` : '';
  return unavailable(
    `The event stream (Redis) did not acknowledge the events${reason}; send the same ids again, doubles count once.`,
    retrySeconds,
    error,
  );
}
