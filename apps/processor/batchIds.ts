import type { Sql } from '@usage/db/connection/connect.ts';
import type { Incarnation } from '@usage/db/connection/incarnation.ts';
import { batchIdBlock, takeBatchIds } from '@usage/db/events/batches.ts';

/** Runs what only looks, or is harmless to do again: a few times, each within a deadline. */
export type Ask = <T>(run: () => Promise<T>) => Promise<T>;

export interface BatchId {
  id: bigint;
  /** Of the database that gave it: another one may give it to somebody else. */
  incarnation: Incarnation;
}

/** Ids of batches, ascending, taken from the database a block at a time. */
export class BatchIds {
  #next = 0n;
  #end = 0n;
  #incarnation: Incarnation = '';

  constructor(
    readonly sql: Sql,
    readonly ask: Ask,
  ) {}

  async next(): Promise<BatchId> {
    if (this.#next === this.#end) {
      const { first, incarnation } = await this.ask(() => takeBatchIds(this.sql));
      this.#next = first;
      this.#end = first + batchIdBlock;
      this.#incarnation = incarnation;
    }
    return { id: this.#next++, incarnation: this.#incarnation };
  }

  /** Gives up the rest of a block that another incarnation gave. */
  keepOnly(incarnation: Incarnation): void {
    if (incarnation !== this.#incarnation) this.#end = this.#next;
  }
}
