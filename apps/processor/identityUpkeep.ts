import type { Sql } from '@usage/db/connection/connect.ts';
import { closeIdentityTable, dropIdentityTables } from '@usage/db/events/identityTables.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '@usage/lib/service/loop.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';

const everyMs = 60_000;
/**
 * An identity table is closed after so many dedupe windows. After that, for one window, ids that carry no time are looked for
 * in it as well; and it is kept for one window more.
 */
const windowsPerTable = 2;
/** Beyond the window, for a stream's clock that is set back. */
const marginMs = 3_600_000;

/** Closes the open identity table now and then, and drops those that no event can have a copy in any more. */
export class IdentityUpkeep {
  readonly #loop: Loop;

  constructor(
    readonly sql: Sql,
    readonly stream: Pick<EventStream, 'position'>,
    readonly dedupeWindowMs: number,
    readonly log: Logger,
  ) {
    this.#loop = new Loop('identity tables', log, async () => {
      await this.round();
      return everyMs;
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async round(): Promise<void> {
    const { asOfMs } = await this.stream.position();
    const opened = await closeIdentityTable(this.sql, windowsPerTable * this.dedupeWindowMs);
    if (opened !== undefined) this.log.info({ table: opened }, 'opened the next identity table');
    const dropped = await dropIdentityTables(this.sql, asOfMs - this.dedupeWindowMs - marginMs);
    if (dropped.length > 0)
      this.log.info({ tables: dropped }, 'dropped identity tables past the dedupe window');
  }
}
