import type { StreamBacklog } from '@usage/lib/stream/stream.ts';
import { Gauge, type Registry } from 'prom-client';

/** One look serves all gauges of a scrape. */
const lookMs = 1_000;

/**
 * What waits in Redis, looked up when Prometheus asks: by the gateways, so that it is told while no processor runs. Each
 * gateway tells the same. The gauges have no value while Redis is away.
 */
export function watchStream(registry: Registry, look: () => Promise<StreamBacklog>): void {
  const lookOnce = shared(look);
  const gauge = (name: string, help: string, value: (backlog: StreamBacklog) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const backlog = await lookOnce();
        if (backlog) this.set(value(backlog));
        else this.remove();
      },
    });
  gauge('usage_stream_frames', 'Frames in the stream, not acked yet', ({ frames }) => frames);
  gauge('usage_stream_events', 'Events in the stream, not acked yet', ({ eventsWaiting }) => eventsWaiting);
  gauge('usage_stream_bytes', 'Memory of Redis that the stream takes', ({ bytes }) => bytes);
  gauge('usage_stream_oldest_seconds', 'Age of the oldest frame', ({ oldestMs }) => oldestMs / 1_000);
  gauge('usage_stream_lag_frames', 'Frames that no processor has had yet', ({ frames, framesHeld }) =>
    Math.max(0, frames - framesHeld),
  );
}

function shared<T>(look: () => Promise<T>): () => Promise<T | undefined> {
  let latest: Promise<T | undefined> = Promise.resolve(undefined);
  let lookedMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - lookedMs >= lookMs) {
      lookedMs = performance.now();
      latest = look().catch(() => undefined);
    }
    return latest;
  };
}
