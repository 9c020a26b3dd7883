import { storagePolicies } from '@usage/db/schema/storageJobs.ts';
import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const secondsBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

export const serviceNames = ['merge', 'backfill', 'days', 'remake', 'upkeep'] as const;
export type ServiceName = (typeof serviceNames)[number];

export type AggregatorMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    ...mergeMetrics(registers),
    ...otherServicesMetrics(registers),
    ...storageMetrics(registers),
    faults: countedFromZero(
      new Counter({
        name: 'usage_aggregator_faults_total',
        help: 'Rounds that failed and were tried again, by step.',
        labelNames: ['step'],
        registers,
      }),
      'step',
      serviceNames,
    ),
  };
}

function mergeMetrics(registers: Registry[]) {
  return {
    merged: new Counter({
      name: 'usage_deltas_merged_total',
      help: 'Deltas added to the rollups.',
      registers,
    }),
    compacted: new Counter({
      name: 'usage_deltas_compacted_total',
      help: 'Deltas made into one with others of their meter, to wait on.',
      registers,
    }),
    rows: new Counter({
      name: 'usage_rollup_rows_written_total',
      help: 'Rollup rows inserted or updated.',
      registers,
    }),
    mergeSeconds: new Histogram({
      name: 'usage_merge_seconds',
      help: 'Time to merge deltas of one meter in one transaction.',
      buckets: secondsBuckets,
      registers,
    }),
    rollupDelay: new Histogram({
      name: 'usage_rollup_delay_seconds',
      help: 'Time from the acceptance of the oldest event of a delta to its rollup.',
      buckets: secondsBuckets,
      registers,
    }),
    waiting: new Gauge({ name: 'usage_deltas_waiting', help: 'Deltas not merged yet.', registers }),
    waitingSeconds: new Gauge({
      name: 'usage_deltas_waiting_seconds',
      help: 'Age of the oldest event of a delta not merged yet.',
      registers,
    }),
  };
}

/** Of the services `remake`, `backfill` and `days`. */
function otherServicesMetrics(registers: Registry[]) {
  return {
    staleMinutes: new Gauge({
      name: 'usage_stale_minutes',
      help: 'Minutes of meters whose rollups are to be made anew after corrections.',
      registers,
    }),
    remade: new Counter({
      name: 'usage_minutes_remade_total',
      help: 'Minutes of meters whose rollups were made anew after corrections.',
      registers,
    }),
    backfills: new Counter({
      name: 'usage_backfill_pieces_total',
      help: 'Transactions that read events for new meters.',
      registers,
    }),
    daysClosed: new Counter({
      name: 'usage_days_closed_total',
      help: 'Days of a meter whose day rollups were made from hours.',
      registers,
    }),
  };
}

function storageMetrics(registers: Registry[]) {
  return {
    chunksOverdue: ofEachPolicy(
      new Gauge({
        name: 'usage_storage_chunks_overdue',
        help: 'Chunks of events that a policy ought to have compressed or dropped two days ago.',
        labelNames: ['policy'],
        registers,
      }),
    ),
    storageJobFailed: ofEachPolicy(
      new Gauge({
        name: 'usage_storage_job_failed',
        help: "1 where the last run of TimescaleDB's job of a policy failed before its work was done.",
        labelNames: ['policy'],
        registers,
      }),
    ),
  };
}

/** 0 until something is known, and where there are no policies. */
function ofEachPolicy(gauge: Gauge<'policy'>): Gauge<'policy'> {
  for (const policy of storagePolicies) gauge.set({ policy }, 0);
  return gauge;
}
