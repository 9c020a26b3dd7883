import { integer, optional, readConfig } from '@usage/lib/service/config.ts';
import { asyncReplication, commonSettings } from '@usage/lib/service/settings.ts';

export const settings = {
  ...commonSettings,
  port: integer('AGGREGATOR_PORT', {
    default: 8003,
    min: 0,
    max: 65_535,
    about: 'port for health and metrics',
  }),
  mergeWaitMs: integer('MERGE_WAIT_MS', {
    default: 10_000,
    min: 10,
    max: 60_000,
    about: 'ms that deltas wait at most for others to be merged with; queries add those that wait',
  }),
  deltaCellsWaitingMax: integer('DELTA_CELLS_WAITING_MAX', {
    default: 250_000,
    min: 1,
    max: 1_000_000,
    about:
      'cells of pending deltas (and distinct values) from which on those of a meter are made into one; merged where more than half ' +
      'are left; keep it below DELTA_CELLS_CACHED_MAX',
  }),
  mergeQuietMs: integer('MERGE_QUIET_MS', {
    default: 250,
    min: 10,
    max: 60_000,
    about:
      'ms without a new delta after which those that wait are merged; keep it well above BATCH_WAIT_MS_MAX',
  }),
  mergeDeltasMax: integer('MERGE_DELTAS_MAX', {
    default: 256,
    min: 1,
    max: 1_000,
    about: 'deltas of one meter merged in one transaction, unless they hold 200,000 cells before',
  }),
  backfillEventsMax: integer('BACKFILL_EVENTS_MAX', {
    default: 100_000,
    min: 1,
    max: 1_000_000,
    about: 'events read in one transaction of a backfill',
  }),
  backfillBytesMax: integer('BACKFILL_BYTES_MAX', {
    default: 64 * 1024 * 1024,
    min: 65_536,
    max: 1_073_741_824,
    about: 'bytes of event data read in one transaction of a backfill',
  }),
  asyncReplication,
  retentionDays: optional(
    integer('EVENT_RETENTION_DAYS', {
      min: 31,
      max: 36_500,
      about:
        'days after which raw events are dropped; rollups stay, but changing the groupBy of a meter rebuilds it from the ' +
        'events that are kept. Empty = never',
    }),
  ),
};

export type AggregatorConfig = ReturnType<typeof readAggregatorConfig>;

export function readAggregatorConfig(env: Record<string, string | undefined> = process.env) {
  return readConfig(settings, env);
}
