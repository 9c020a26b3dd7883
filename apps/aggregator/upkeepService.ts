import { dropSpentKeys } from '@usage/db/backfills/backfills.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import { dropOldBatches } from '@usage/db/events/batches.ts';
import { describeBatches } from '@usage/db/events/batchTypes.ts';
import { deadGeneration, dropPieceOf } from '@usage/db/rollups/deadGenerations.ts';
import { tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import type { AggregatorConfig } from './config.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { type Calls, inTurn, type Service } from './runner.ts';
import { storageUpkeep } from './storage.ts';

/** What is deleted takes room only: nobody waits for it. */
const everyMs = 60_000;
/** A second's work. */
const deadPiece = { seriesMax: 2_000, rowsMax: 50_000 };
/** In one transaction: one to two seconds' work. */
const describedBatchesMax = 200;
const describedEventsMax = 200_000;

const oldBatchesMax = 2_000;
/** Identities of backfills. */
const spentKeysMax = 20_000;

/** Describes batches of before an update, forgets those past the retention, forgets rollups of deleted and rebuilt meters, and sees to the events' storage. */
export class UpkeepService implements Service {
  readonly name = 'upkeep';

  constructor(
    readonly config: Pick<AggregatorConfig, 'retentionDays'>,
    readonly metrics: AggregatorMetrics,
  ) {}

  async round(calls: Calls): Promise<number> {
    const { app } = calls;
    const describe = (sql: Sql) => describeBatches(sql, describedBatchesMax, describedEventsMax);
    await inTurn(
      app,
      [
        async () => {
          while (!app.stopping && (await calls.piece(describe)) > 0);
        },
        () => storageUpkeep(calls, this.config, this.metrics),
        () => this.#dropOldBatches(calls),
        async () => {
          const drop = (sql: Sql) => dropSpentKeys(sql, spentKeysMax);
          while (!app.stopping && (await calls.piece(drop)) === spentKeysMax);
        },
        async () => {
          while (!app.stopping && (await calls.piece(dropDeadPiece)));
        },
      ],
      (step) => step(),
    );
    return everyMs;
  }

  async #dropOldBatches(calls: Calls): Promise<void> {
    const { retentionDays } = this.config;
    if (retentionDays === undefined) return;
    const drop = (sql: Sql) => dropOldBatches(sql, retentionDays, oldBatchesMax);
    while (!calls.app.stopping && (await calls.piece(drop)) === oldBatchesMax);
  }
}

/** True where there may be more to delete. */
export async function dropDeadPiece(sql: Sql, piece = deadPiece): Promise<boolean> {
  return (await sql.begin(async (tx) => {
    const generation = await deadGeneration(tx);
    if (generation === undefined || !(await tryLockGeneration(tx, generation))) return false;
    await dropPieceOf(tx, generation, piece);
    return true;
  })) as boolean;
}
