import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { createMeter } from '@usage/db/meters/meters.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { Batch, type Row } from '@usage/processor/batch.ts';
import { inOrderOfKeys } from '@usage/processor/keyOrder.ts';
import { Store } from '@usage/processor/store.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { streamEntry } from './frames.ts';

/** A Wednesday: no arrival of the tests crosses a week. */
export const midweek = Date.UTC(2026, 10, 25);

export interface Sent {
  id: string;
  type: string;
  amount?: string;
  data?: object;
}

/** A database, processors' stores on it, and what they stored of a type. */
export class TestStores {
  #sequence = 0;

  private constructor(
    readonly database: TestDatabase,
    readonly sql: Sql,
  ) {}

  static async start(): Promise<TestStores> {
    const database = await createDatabase();
    return new TestStores(database, TestStores.connect(database, 6));
  }

  /** As a processor does. */
  static connect({ url }: TestDatabase, connectionsMax: number): Sql {
    return connect({ url, name: 'processor', connectionsMax, statementMsMax: 30_000, lockMsMax: 5_000 });
  }

  async stop(): Promise<void> {
    await this.sql.end();
    await this.database.drop();
  }

  /** The store of another processor, which has met no event yet. */
  processor(): Store {
    return new Store(this.sql, dayMs, 'test');
  }

  /** Rows as the processor unpacks them from one frame. */
  rowsOf(events: Sent[], arrivedMs = midweek): Row[] {
    const json = events.map(({ id, type, amount = '0.1', data }) =>
      JSON.stringify({
        specversion: '1.0',
        id,
        source: 'test',
        type,
        subject: 'one',
        data: data ?? { amount },
      }),
    );
    const batch = new Batch();
    const frame = encodeFrame([
      { namespace: 'default', receivedMs: arrivedMs, events: `[${json}]`, count: json.length },
    ]);
    batch.add(streamEntry(`${arrivedMs}-${this.#sequence++}`, frame, json.length));
    if (batch.rejected.length > 0) throw new Error('the frame can not be read');
    return inOrderOfKeys(batch.rows);
  }

  async store(by: Store, events: Sent[], arrivedMs = midweek) {
    return by.store(await by.prepare(this.rowsOf(events, arrivedMs)));
  }

  /** As the loop does: transient errors (a deadlock, another processor's row meanwhile) are tried again. */
  async storeUntilDone(by: Store, events: Sent[], arrivedMs: number): Promise<number> {
    const prepared = await by.prepare(this.rowsOf(events, arrivedMs));
    for (let tries = 0; ; tries++) {
      try {
        return (await by.store(prepared)).stored;
      } catch (error) {
        if (tries === 10) throw error;
      }
    }
  }

  /** Events of a new type. */
  typed(count: number, prefix = 'e'): { type: string; events: Sent[] } {
    const type = `type-${this.#sequence++}`;
    return { type, events: Array.from({ length: count }, (_, n) => ({ id: `${type}-${prefix}${n}`, type })) };
  }

  /** A meter that sums `amount` of a type; its generation. */
  async sumOf(type: string): Promise<bigint> {
    const made = await createMeter(this.sql, 'default', {
      slug: type.replace('-', '_'),
      name: type,
      description: undefined,
      metadata: undefined,
      eventType: type,
      eventFromUs: undefined,
      aggregation: 'SUM',
      valueProperty: '$.amount',
      groupBy: {},
    });
    if (!('meter' in made)) throw new Error(made.refused);
    return made.meter.generation;
  }

  /** Rows stored of a type, and what its deltas count and sum up to. */
  async totals(type: string, generation?: bigint): Promise<{ rows: number; counted: number; sum: number }> {
    const [{ rows } = { rows: 0 }] = await this.sql<
      { rows: number }[]
    >`SELECT count(*)::int AS rows FROM events WHERE type = ${type}`;
    const deltas =
      generation === undefined
        ? []
        : await this.sql<{ payload: Buffer }[]>`SELECT payload FROM deltas WHERE build = ${generation}`;
    const cells = deltas.flatMap(({ payload }) => [...decodeDelta(payload).named()]).map(({ cell }) => cell);
    return {
      rows,
      counted: cells.reduce((sum, cell) => sum + cell.count, 0),
      sum: Math.round(cells.reduce((sum, cell) => sum + Number(formatDecimal(cell.value!)), 0) * 10) / 10,
    };
  }
}
