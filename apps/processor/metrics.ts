import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const rowBuckets = [1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 40_000];

/** Deadlock, disk full, too many connections, lock not available, shut down, starting up, a connection that broke, no answer. */
const usualCodes = ['40P01', '53100', '53300', '55P03', '57P01', '57P03', 'CONNECTION_CLOSED', 'NO_ANSWER'];

export type ProcessorMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    stored: new Counter({
      name: 'usage_events_stored_total',
      help: 'Events committed to the database.',
      registers,
    }),
    duplicates: new Counter({
      name: 'usage_events_duplicate_total',
      help: 'Events left out because their identity is stored.',
      registers,
    }),
    dead: countedFromZero(
      new Counter({
        name: 'usage_dead_letters_total',
        help: 'Frames and events put aside as dead letters.',
        labelNames: ['kind'],
        registers,
      }),
      'kind',
      ['frame', 'event'],
    ),
    batchRows: new Histogram({
      name: 'usage_batch_events',
      help: 'Events a batch.',
      buckets: rowBuckets,
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'usage_batch_store_seconds',
      help: 'Time to store a batch, retries included.',
      buckets: secondsBuckets,
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'usage_commit_delay_seconds',
      help: 'Time from the acceptance of a frame to its commit.',
      buckets: secondsBuckets,
      registers,
    }),
    retries: countedFromZero(
      new Counter({
        name: 'usage_batch_retries_total',
        help: 'Batches that had to be tried again, by SQLSTATE or driver code.',
        labelNames: ['code'],
        registers,
      }),
      'code',
      usualCodes,
    ),
    claimed: new Counter({
      name: 'usage_frames_claimed_total',
      help: 'Frames taken over from a processor that stopped answering.',
      registers,
    }),
    lastLoop: new Gauge({
      name: 'usage_processor_last_loop_timestamp_seconds',
      help: 'When the loop was last seen alive.',
      registers,
    }),
  };
}
