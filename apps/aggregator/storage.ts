import { noteRetention } from '@usage/db/schema/eventsKept.ts';
import { keepJobSchedules, storageJobs } from '@usage/db/schema/storageJobs.ts';
import {
  dropOldChunks,
  dropOldPartitions,
  eventStorage,
  setStoragePolicies,
} from '@usage/db/schema/storagePolicies.ts';
import type { AggregatorConfig } from './config.ts';
import type { AggregatorMetrics } from './metrics.ts';
import type { Calls } from './runner.ts';

/** Compresses and drops old events, by TimescaleDB's policies where the server can, else by itself. */
export async function storageUpkeep(
  calls: Calls,
  { retentionDays }: Pick<AggregatorConfig, 'retentionDays'>,
  metrics: AggregatorMetrics,
): Promise<void> {
  if (retentionDays !== undefined) await calls.look((sql) => noteRetention(sql, retentionDays));
  const storage = await calls.look(eventStorage);
  if (storage === 'columnstore') {
    await calls.piece((sql) => setStoragePolicies(sql, retentionDays));
    await calls.look(keepJobSchedules);
    await watchJobs(calls, metrics);
    return;
  }
  if (retentionDays === undefined) return;
  const dropOld = storage === 'hypertable' ? dropOldChunks : dropOldPartitions;
  for (const name of await calls.piece((sql) => dropOld(sql, retentionDays)))
    calls.app.log.info({ partition: name }, 'dropped, older than the retention');
}

/** A job's own success says little: what it ought to have done is looked at as well. */
async function watchJobs(calls: Calls, metrics: AggregatorMetrics): Promise<void> {
  for (const { policy, overdue, fault } of await calls.look(storageJobs)) {
    metrics.chunksOverdue.set({ policy }, overdue);
    metrics.storageJobFailed.set({ policy }, fault === undefined ? 0 : 1);
    if (fault !== undefined) calls.app.log.warn({ policy, fault }, "TimescaleDB's job failed");
  }
}
