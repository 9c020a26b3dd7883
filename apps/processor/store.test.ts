import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import {
  closeIdentityTable,
  dropIdentityTables,
  readIdentityTables,
} from '@usage/db/events/identityTables.ts';
import { createMeter } from '@usage/db/meters/meters.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { streamEntry } from '@usage/tests/support/frames.ts';
import { Batch, contentOf, keyOf, type Row } from './batch.ts';
import { inOrderOfKeys } from './keyOrder.ts';
import { Store } from './store.ts';

const midweek = Date.UTC(2026, 10, 25);
let database: TestDatabase;
let sql: Sql;
let sequence = 0;

beforeAll(async () => {
  database = await createDatabase();
  sql = connect({
    url: database.url,
    name: 'processor',
    connectionsMax: 6,
    statementMsMax: 30_000,
    lockMsMax: 5_000,
  });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

interface Sent {
  id: string;
  type: string;
  amount?: string;
  data?: object;
}

/** Rows as the processor unpacks them from one frame. */
function rowsOf(events: Sent[], arrivedMs: number): Row[] {
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
  batch.add(streamEntry(`${arrivedMs}-${sequence++}`, frame, json.length));
  expect(batch.rejected).toEqual([]);
  return inOrderOfKeys(batch.rows);
}

async function store(by: Store, events: Sent[], arrivedMs = midweek) {
  return by.store(await by.prepare(rowsOf(events, arrivedMs)));
}

const processor = () => new Store(sql, dayMs, 'test');

function typed(count: number, prefix = 'e'): { type: string; events: Sent[] } {
  const type = `type-${sequence++}`;
  return { type, events: Array.from({ length: count }, (_, n) => ({ id: `${type}-${prefix}${n}`, type })) };
}

/** Rows stored of a type, and what its deltas count and sum up to. */
async function totals(
  type: string,
  generation?: bigint,
): Promise<{ rows: number; counted: number; sum: number }> {
  const [{ rows } = { rows: 0 }] = await sql<
    { rows: number }[]
  >`SELECT count(*)::int AS rows FROM events WHERE type = ${type}`;
  const deltas =
    generation === undefined
      ? []
      : await sql<{ payload: Buffer }[]>`SELECT payload FROM deltas WHERE build = ${generation}`;
  const cells = deltas.flatMap(({ payload }) => [...decodeDelta(payload).named()]).map(({ cell }) => cell);
  return {
    rows,
    counted: cells.reduce((sum, cell) => sum + cell.count, 0),
    sum: Math.round(cells.reduce((sum, cell) => sum + Number(formatDecimal(cell.value!)), 0) * 10) / 10,
  };
}

async function sumOf(type: string): Promise<bigint> {
  const made = await createMeter(sql, 'default', {
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

describe('each identity once, and its amount once', () => {
  test('straight: a batch of strangers', async () => {
    const { type, events } = typed(1_000);
    const generation = await sumOf(type);
    const outcome = await store(processor(), events);
    expect(outcome).toMatchObject({ stored: 1_000, duplicates: [], refused: [] });
    expect(await totals(type, generation)).toEqual({ rows: 1_000, counted: 1_000, sum: 100 });
  });

  test('a replay, by the same processor and by another one, changes nothing', async () => {
    const { type, events } = typed(500);
    const generation = await sumOf(type);
    const first = processor();
    await store(first, events);
    for (const by of [first, processor()]) {
      const { stored, duplicates } = await store(by, events, midweek + 1);
      expect([stored, duplicates.length]).toEqual([0, 500]);
    }
    expect(await totals(type, generation)).toEqual({ rows: 500, counted: 500, sum: 50 });
  });

  test('the answer to the commit got lost: once more, what this batch stored counts as stored', async () => {
    const { type, events } = typed(300);
    const generation = await sumOf(type);
    await store(processor(), events.slice(0, 20));
    const by = processor();
    const prepared = await by.prepare(rowsOf(events, midweek));
    for (const _ of [1, 2, 3]) {
      const { stored, duplicates } = await by.store(prepared);
      expect([stored, duplicates.length]).toEqual([280, 20]);
    }
    expect(await totals(type, generation)).toEqual({ rows: 300, counted: 300, sum: 30 });
  });

  test('new ones among stored ones and among repeats within the batch', async () => {
    const { type, events } = typed(200);
    const generation = await sumOf(type);
    await store(processor(), events.slice(0, 50));
    const again = [...events, ...events.slice(100, 150), ...events.slice(0, 10)];
    const { stored, duplicates } = await store(processor(), again);
    expect([stored, duplicates.length]).toEqual([150, 110]);
    expect(await totals(type, generation)).toEqual({ rows: 200, counted: 200, sum: 20 });
  });

  test('two processors with the same frames at once', async () => {
    const { type, events } = typed(400);
    const generation = await sumOf(type);
    const both = await Promise.all([0, 1].map((n) => storeUntilDone(processor(), events, midweek + n)));
    expect(both.reduce((sum, stored) => sum + stored, 0)).toBe(400);
    expect(await totals(type, generation)).toEqual({ rows: 400, counted: 400, sum: 40 });
  });
});

describe('what PostgreSQL refuses', () => {
  test('is left out alone, with the reason, and the rest of its batch is stored', async () => {
    const { type, events } = typed(333);
    const generation = await sumOf(type);
    const poison = [7, 200, 201].map((n) => ({ id: `${type}\0${n}`, type }));
    const { stored, refused } = await store(processor(), [
      ...events.slice(0, 100),
      ...poison,
      ...events.slice(100),
    ]);
    expect(stored).toBe(333);
    expect(refused.map(({ row }) => contentOf(row).id).sort()).toEqual(poison.map(({ id }) => id).sort());
    expect(refused[0]!.reason).toContain('0x00');
    expect(await totals(type, generation)).toEqual({ rows: 333, counted: 333, sum: 33.3 });
  });

  test('a batch of nothing else', async () => {
    const { type } = typed(0);
    const { stored, refused } = await store(processor(), [{ id: 'a\0b', type }]);
    expect([stored, refused.length]).toEqual([0, 1]);
  });

  test('an empty batch leaves no trace', async () => {
    const count = async () => (await sql`SELECT count(*)::int AS n FROM batches`)[0]!.n;
    const before = await count();
    expect(await store(processor(), [])).toEqual({ stored: 0, duplicates: [], refused: [] });
    expect(await count()).toBe(before);
  });
});

test('batches of every size, with and without duplicates, prepare no statement that is left over', async () => {
  const pool = connect({
    url: database.url,
    name: 'processor',
    connectionsMax: 2,
    statementMsMax: 30_000,
    lockMsMax: 5_000,
  });
  const preparedStatements = async () => {
    const both = [1, 2].map(
      () =>
        pool<
          { pid: number; count: number }[]
        >`SELECT pg_backend_pid() AS pid, (SELECT count(*)::int FROM pg_prepared_statements) AS count, pg_sleep(0.1)`,
    );
    const counts = (await Promise.all(both)).map(([row]) => row!);
    expect(new Set(counts.map(({ pid }) => pid)).size).toBe(2);
    return Math.max(...counts.map(({ count }) => count));
  };
  const by = new Store(pool, dayMs, 'test');
  const { type } = typed(0);
  await sumOf(type);
  const storeSizes = async (from: number, to: number) => {
    for (let size = from; size < to; size++) {
      const events = Array.from({ length: size }, (_, n) => ({ id: `${type}-${size}-${n}`, type }));
      await Promise.all([store(by, events), store(by, events.slice(0, size >> 1)).catch(() => {})]);
      await store(by, [...events.slice(0, size >> 1), { id: `${type}-${size}`, type }]);
    }
  };
  await storeSizes(1, 30);
  const after30 = await preparedStatements();
  await storeSizes(30, 120);
  // Each connection meets each statement sooner or later.
  expect(await preparedStatements()).toBeLessThanOrEqual(after30 + 8);
  await pool.end();
});

test('a meter that is made while the batch waits counts it: in its deltas, not in its backfill', async () => {
  const { type, events } = typed(100);
  const by = processor();
  const prepared = await by.prepare(rowsOf(events, midweek));
  const generation = await sumOf(type);
  expect((await by.store(prepared)).stored).toBe(100);
  const [batch] = await sql`
    SELECT meters_version >= (SELECT build_version FROM meters WHERE build = ${generation}) AS counted FROM batches
    WHERE id = (SELECT max(batch_id) FROM events WHERE type = ${type})`;
  expect(batch!.counted).toBe(true);
  expect(await totals(type, generation)).toEqual({ rows: 100, counted: 100, sum: 10 });
});

test('a constraint that no duplicate explains: the row becomes a dead letter, the innocent are stored', async () => {
  const { type, events } = typed(50);
  const generation = await sumOf(type);
  const [first] = events;
  await store(processor(), [first!]);
  await sql.unsafe(
    `CREATE UNIQUE INDEX strange ON events ((data ->> 'strange'), period) WHERE type = '${type}'`,
  );
  const odd = [1, 2].map((n) => ({ id: `${type}-odd-${n}`, type, data: { amount: '0.1', strange: 'same' } }));
  const by = processor();
  const prepared = await by.prepare(rowsOf([...events, ...odd], midweek));
  const tries: unknown[] = [];
  for (;;) {
    const outcome = await by.store(prepared).catch((error) => void tries.push(error.code));
    if (!outcome) continue;
    expect(outcome.refused.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('violates unique constraint'),
    ]);
    expect([outcome.stored, outcome.duplicates.length]).toEqual([50, 1]);
    break;
  }
  expect(tries).toEqual(['23505', '23505']);
  await sql`DROP INDEX strange`;
  expect(await totals(type, generation)).toEqual({ rows: 51, counted: 51, sum: 5.1 });
});

test('ids of batches that come again (a sequence that was set back) cost attempts, and no row', async () => {
  const { events } = typed(20);
  const [highest] = await sql<{ id: bigint }[]>`SELECT max(id) AS id FROM batches`;
  await sql`SELECT setval('batch_ids', ${highest!.id - 5n})`;
  await sql`
    INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
    SELECT id, 'other', 1, 0, 0, now(), now(), 1 FROM generate_series(${highest!.id + 1n}::bigint, ${highest!.id + 70n}::bigint) id`;
  const by = processor();
  const prepared = await by.prepare(rowsOf(events, midweek));
  for (let tries = 0; ; tries++) {
    const outcome = await by.store(prepared).catch(() => undefined);
    if (!outcome && tries < 100) continue;
    expect(outcome).toMatchObject({ stored: 20, duplicates: [], refused: [] });
    break;
  }
});

describe('across the closing of an identity table', () => {
  const hourMs = 3_600_000;
  const kinds: [kind: string, idOf: (n: number) => string][] = [
    ['ids without a time', (n) => `closing-${n}-${Math.random()}`],
    ['UUIDv7', () => Bun.randomUUIDv7('hex', midweek - 2 * hourMs)],
    ['UUIDv7 of clocks three days ahead', () => Bun.randomUUIDv7('hex', midweek + 3 * dayMs)],
    ['ULIDs', (n) => `01KAVS4R00${`${n}${Math.random()}`.replace('.', '').padEnd(16, '0').slice(0, 16)}`],
  ];
  for (const [kind, idOf] of kinds) {
    const make = () => {
      const { type } = typed(0);
      return { type, events: Array.from({ length: 60 }, (_, n) => ({ id: idOf(n), type })) };
    };

    test(`${kind}: sent again after it, by who has met them and by who has not`, async () => {
      const { type, events } = make();
      const generation = await sumOf(type);
      const first = processor();
      expect((await store(first, events)).stored).toBe(60);
      await closeIdentityTable(sql, 0);
      for (const by of [first, processor()])
        expect((await store(by, events, midweek + dayMs)).stored).toBe(0);
      await closeIdentityTable(sql, 0);
      expect((await store(processor(), [...events, ...make().events], midweek + hourMs)).stored).toBe(60);
      expect(await totals(type, generation)).toEqual({ rows: 60, counted: 60, sum: 6 });
    });

    test(`${kind}: copies stored by three processors while tables are closed`, async () => {
      const { type, events } = make();
      const generation = await sumOf(type);
      const stored = await Promise.all([
        storeUntilDone(processor(), events, midweek),
        storeUntilDone(processor(), events, midweek + 1),
        closeIdentityTable(sql, 0).then(() => 0),
        storeUntilDone(processor(), events.slice(0, 30), midweek + 2),
        closeIdentityTable(sql, 0).then(() => 0),
      ]);
      expect(stored.reduce((sum, count) => sum + count, 0)).toBe(60);
      expect(await totals(type, generation)).toEqual({ rows: 60, counted: 60, sum: 6 });
    });
  }

  test('a table is dropped once nothing that may still be stored is within the window of its events', async () => {
    const { events } = typed(10);
    await store(processor(), events);
    const by = processor();
    const { open } = await readIdentityTables(sql);
    await closeIdentityTable(sql, 0);
    expect(await closeIdentityTable(sql, hourMs)).toBeUndefined();
    const [last] = await sql<{ ms: number }[]>`
      SELECT (extract(epoch FROM max(arrived_to)) * 1000)::float8 AS ms FROM batches`;
    await by.prepare(rowsOf(events, midweek)); // knows of the tables as they are now
    expect(await dropIdentityTables(sql, last!.ms)).not.toContain(open);
    expect(await dropIdentityTables(sql, last!.ms + 1)).toContain(open);
    expect((await readIdentityTables(sql)).closed).toEqual([]);
    // Its look into the table that is gone fails, and it looks again which there are.
    expect((await store(by, typed(5).events)).stored).toBe(5);
  });
});

test('the database makes the same keys as the processor', async () => {
  const ids = [
    'a',
    'ü'.repeat(18),
    Bun.randomUUIDv7('hex', midweek),
    Bun.randomUUIDv7('hex', midweek).toUpperCase(),
    crypto.randomUUID(),
    'ffffffff-ffff-7fff-8fff-ffffffffffff',
    '0123456789ABCDEFGHJKMNPQRS',
    '7ZZZZZZZZZABCDEFGHJKMNPQRS',
    '01kavs4r00abcdefghjkmnpqrs',
    '01KAVS4U00ABCDEFGHJKMNPQRS',
    '0123456-89ab-7cde-8123-456789abcdef!',
  ];
  const { type } = typed(0);
  const rows = rowsOf(
    ids.map((id) => ({ id, type })),
    midweek,
  );
  const made = await sql<{ key: string }[]>`
    SELECT encode(uuid_send(identity_key('default', 'test', id)), 'hex') AS key
    FROM unnest(${rows.map((row) => contentOf(row).id)}::text[]) id`;
  expect(made.map(({ key }) => key)).toEqual(rows.map(keyOf));
});

/** As the loop does: transient faults (a deadlock, somebody else's row meanwhile) are tried again. */
async function storeUntilDone(by: Store, events: Sent[], arrivedMs: number): Promise<number> {
  const prepared = await by.prepare(rowsOf(events, arrivedMs));
  for (let tries = 0; ; tries++) {
    try {
      return (await by.store(prepared)).stored;
    } catch (error) {
      if (tries === 10) throw error;
    }
  }
}
