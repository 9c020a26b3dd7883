import type { Sql } from '@usage/db/connection/connect.ts';
import type { Patience } from '@usage/db/connection/patience.ts';
import { batchIdBlock, takeBatchIds } from '@usage/db/events/batches.ts';

/** Ids of batches, ascending, taken from the database a block at a time. */
export class BatchIds {
  #next = 0n;
  #end = 0n;

  constructor(
    readonly sql: Sql,
    readonly patience: Patience,
  ) {}

  async next(): Promise<bigint> {
    if (this.#next === this.#end) {
      this.#next = await this.patience.run(() => takeBatchIds(this.sql));
      this.#end = this.#next + batchIdBlock;
    }
    return this.#next++;
  }
}
