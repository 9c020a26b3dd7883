import { integer, readConfig } from '@usage/lib/service/config.ts';
import {
  asyncReplication,
  commonSettings,
  dedupeWindowHours,
  streamName,
} from '@usage/lib/service/settings.ts';

export const settings = {
  ...commonSettings,
  port: integer('PROCESSOR_PORT', {
    default: 8001,
    min: 0,
    max: 65_535,
    about: 'port for health and metrics',
  }),
  streamName,
  batchRowsMax: integer('BATCH_ROWS_MAX', {
    default: 20_000,
    min: 1,
    max: 200_000,
    about: 'events a batch may hold (a few frames more at most)',
  }),
  batchBytesMax: integer('BATCH_BYTES_MAX', {
    default: 8_388_608,
    min: 65_536,
    max: 268_435_456,
    about: 'bytes of rows a batch may hold (a few frames more at most)',
  }),
  batchWaitMsMax: integer('BATCH_WAIT_MS_MAX', {
    default: 50,
    min: 0,
    max: 10_000,
    about: 'ms a batch waits for more events while the database is idle',
  }),
  claimIdleMsMin: integer('CLAIM_IDLE_MS', {
    default: 5_000,
    min: 1_000,
    max: 600_000,
    about: 'ms after which frames of a processor that stopped answering are taken over',
  }),
  dedupeWindowHours,
  asyncReplication,
};

export type ProcessorConfig = ReturnType<typeof readProcessorConfig>;

export function readProcessorConfig(env: Record<string, string | undefined> = process.env) {
  return readConfig(settings, env);
}
