import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type QueryMetrics = ReturnType<typeof queryMetrics>;

export function queryMetrics(registry: Registry) {
  const registers = [registry];
  return {
    duration: new Histogram({
      name: 'usage_query_duration_seconds',
      help: 'Time that a query took in the database and in memory',
      labelNames: ['kind'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      registers,
    }),
    running: new Gauge({
      name: 'usage_queries_running',
      help: 'Queries that run or wait for a connection',
      registers,
    }),
    rows: new Histogram({
      name: 'usage_query_rows',
      help: 'Rows of an answer',
      labelNames: ['kind'],
      buckets: [1, 10, 100, 1_000, 10_000, 100_000],
      registers,
    }),
    deltaCache: countedFromZero(
      new Counter({
        name: 'usage_query_delta_cache_total',
        help: 'Deltas that a query needed, by whether they were in memory',
        labelNames: ['outcome'],
        registers,
      }),
      'outcome',
      ['hit', 'miss'],
    ),
    reads: countedFromZero(
      new Counter({
        name: 'usage_query_reads_total',
        help: 'Reads that were answered, by the server that was read from',
        labelNames: ['from'],
        registers,
      }),
      'from',
      ['primary', 'replica'],
    ),
    replicaRetries: new Counter({
      name: 'usage_query_replica_retries_total',
      help: 'Queries that a replica failed to answer and another server was asked',
      registers,
    }),
    rawEvents: countedFromZero(
      new Counter({
        name: 'usage_query_raw_events_total',
        help: 'Raw events read because rollups could not answer',
        labelNames: ['reason'],
        registers,
      }),
      'reason',
      ['divided_minute', 'meter_in_backfill'],
    ),
  };
}
