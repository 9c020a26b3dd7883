import {
  dropOldChunks,
  dropOldPartitions,
  eventStorage,
  setStoragePolicies,
} from '@usage/db/schema/storagePolicies.ts';
import type { AggregatorConfig } from './config.ts';
import type { Calls } from './runner.ts';

/** Compresses and drops old events, by TimescaleDB's policies where the server can, else by itself. */
export async function storageUpkeep(
  calls: Calls,
  { retentionDays, dedupeWindowHours }: Pick<AggregatorConfig, 'dedupeWindowHours' | 'retentionDays'>,
): Promise<void> {
  const storage = await calls.look(eventStorage);
  if (storage === 'columnstore') {
    const quietDays = Math.ceil((2 * dedupeWindowHours) / 24) + 1;
    await calls.piece((sql) => setStoragePolicies(sql, { quietDays, retentionDays }));
    return;
  }
  if (retentionDays === undefined) return;
  const dropOld = storage === 'hypertable' ? dropOldChunks : dropOldPartitions;
  for (const name of await calls.piece((sql) => dropOld(sql, retentionDays)))
    calls.app.log.info({ partition: name }, 'dropped, older than the retention');
}
