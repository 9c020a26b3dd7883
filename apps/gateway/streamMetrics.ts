import type { ShardLook } from '@usage/lib/stream/shard.ts';
import { Gauge, type Registry } from 'prom-client';
import type { PressureGate } from './pressure.ts';

/**
 * What waits in Redis, as the gate saw it last: measured by the gateways, so that it is known while no processor runs. Each
 * gateway says the same. The gauges have no value while Redis is away.
 */
export function watchStream(registry: Registry, gate: PressureGate): void {
  const seen = () => gate.looks.filter((look): look is ShardLook => !(look instanceof Error));
  const gauge = (name: string, help: string, value: (looks: ShardLook[]) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const looks = seen();
        if (looks.length > 0) this.set(value(looks));
        else this.remove();
      },
    });
  const sum = (of: (look: ShardLook) => number) => (looks: ShardLook[]) =>
    looks.reduce((total, look) => total + of(look), 0);
  gauge(
    'usage_stream_frames',
    'Frames in the stream, not acked yet',
    sum(({ frames }) => frames),
  );
  gauge(
    'usage_stream_events',
    'Events in the stream, not acked yet',
    sum(({ eventsWaiting }) => eventsWaiting),
  );
  gauge(
    'usage_stream_bytes',
    'Memory of Redis that the stream takes',
    sum(({ bytes }) => bytes),
  );
  gauge('usage_stream_oldest_seconds', 'Age of the oldest frame', (looks) =>
    Math.max(
      ...looks.map(({ nowMs, asOfMs, frames }) => (frames === 0 ? 0 : Math.max(0, nowMs - asOfMs) / 1_000)),
    ),
  );
  gauge(
    'usage_stream_lag_frames',
    'Frames that no processor has had yet',
    sum(({ frames, framesHeld }) => Math.max(0, frames - framesHeld)),
  );
  gauge(
    'usage_stream_clock_skew_seconds',
    'Between the clocks of the shards that is furthest ahead and furthest behind',
    () => gate.clockSkewMs / 1_000,
  );
  new Gauge({
    name: 'usage_stream_shard_open',
    help: 'Whether the shard takes events (1) or not (0)',
    labelNames: ['shard'],
    registers: [registry],
    collect() {
      this.reset();
      for (let shard = 0; shard < gate.shardsWritten; shard++)
        this.set({ shard }, gate.open.includes(shard) ? 1 : 0);
    },
  });
}
