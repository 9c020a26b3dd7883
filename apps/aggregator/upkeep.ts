import type { Sql } from '@usage/db/connection/connect.ts';
import { describeBatches } from '@usage/db/events/batchTypes.ts';
import { dropDeadSeries } from '@usage/db/rollups/rollups.ts';
import {
  dropOldChunks,
  dropOldPartitions,
  eventStorage,
  setStoragePolicies,
} from '@usage/db/schema/storagePolicies.ts';
import type { App } from '@usage/lib/service/app.ts';
import type { AggregatorConfig } from './config.ts';

const everyMs = 600_000;
const deadSeriesMax = 1_000;
/** In one transaction: some seconds' work. */
const describedBatchesMax = 1_000;
const describedEventsMax = 1_000_000;

/** Now and then: compresses or drops old periods, and forgets rollups of deleted and rebuilt meters. */
export class Upkeep {
  #doneMs = Number.NEGATIVE_INFINITY;
  #policiesSet = false;

  constructor(
    readonly app: App,
    readonly sql: Sql,
    readonly config: Pick<AggregatorConfig, 'dedupeWindowHours' | 'retentionDays'>,
    /** Waits for the server as long as the loop does. */
    readonly wait: <T>(run: () => Promise<T>) => Promise<T>,
  ) {}

  async round(): Promise<void> {
    if (performance.now() - this.#doneMs < everyMs) return;
    const { app, sql, wait } = this;
    const { retentionDays, dedupeWindowHours } = this.config;
    const describe = () => describeBatches(sql, describedBatchesMax, describedEventsMax);
    while (!app.stopping && (await wait(describe)) > 0);
    const storage = await wait(() => eventStorage(sql));
    if (storage === 'columnstore') {
      // Once a run: setting them again would start the schedules of TimescaleDB's jobs anew.
      if (!this.#policiesSet) {
        const quietDays = Math.ceil((2 * dedupeWindowHours) / 24) + 1;
        await wait(() => setStoragePolicies(sql, { quietDays, retentionDays }));
        this.#policiesSet = true;
      }
    } else if (retentionDays !== undefined) {
      const dropOld = storage === 'hypertable' ? dropOldChunks : dropOldPartitions;
      for (const name of await wait(() => dropOld(sql, retentionDays)))
        app.log.info({ partition: name }, 'dropped, older than the retention');
    }
    while (!app.stopping && (await wait(() => dropDeadSeries(sql, deadSeriesMax))) === deadSeriesMax);
    this.#doneMs = performance.now();
  }
}
