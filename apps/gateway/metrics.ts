import { problemCodeNames } from '@usage/lib/http/problem.ts';
import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FrameBatcher } from './frameBatcher.ts';
import type { PressureGate } from './pressure.ts';

export type GatewayMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    eventsAccepted: new Counter({
      name: 'usage_events_accepted_total',
      help: 'Events that Redis has acknowledged',
      registers,
    }),
    requestsRejected: countedFromZero(
      new Counter({
        name: 'usage_ingest_requests_rejected_total',
        help: 'Ingest requests of which nothing was kept, by problem code',
        labelNames: ['reason'],
        registers,
      }),
      'reason',
      problemCodeNames,
    ),
    frameEvents: new Histogram({
      name: 'usage_frame_events',
      help: 'Events a frame',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000],
      registers,
    }),
    frameBytes: new Histogram({
      name: 'usage_frame_bytes',
      help: 'Bytes of a frame as Redis keeps it',
      buckets: [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304],
      registers,
    }),
    appendSeconds: new Histogram({
      name: 'usage_frame_append_duration_seconds',
      help: 'Time until Redis acknowledged a frame',
      buckets: [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 3],
      registers,
    }),
    appendsFailed: new Counter({
      name: 'usage_frame_appends_failed_total',
      help: 'Frames that Redis did not acknowledge',
      registers,
    }),
    streamWentBack: new Counter({
      name: 'usage_stream_went_back_total',
      help: 'Times that a Redis came back without frames that it had acknowledged',
      registers,
    }),
  };
}

/** Read when Prometheus asks. */
export function watchQueue(registry: Registry, batcher: FrameBatcher, gate: PressureGate): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge('usage_ingest_queued_bytes', 'JSON bytes that wait for Redis', () => batcher.queuedBytes);
  gauge('usage_frames_in_flight', 'Frames on their way to Redis', () => batcher.appending);
  gauge('usage_stream_fill_ratio', 'How full the stream is; events are refused from 1 on', () => gate.fill);
  gauge('usage_ingest_open', 'Whether events are taken (1) or refused (0)', () => (gate.refusal ? 0 : 1));
}
