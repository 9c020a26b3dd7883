import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { dayMs } from '@usage/lib/windows/units.ts';
import { midweek, TestStores } from '@usage/tests/support/stores.ts';
import { Store } from './store.ts';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.start();
});
afterAll(() => stores.stop());

describe('each identity once, and its amount once', () => {
  test('a batch of new events', async () => {
    const { type, events } = stores.typed(1_000);
    const generation = await stores.sumOf(type);
    const outcome = await stores.store(stores.processor(), events);
    expect(outcome).toMatchObject({ stored: 1_000, duplicates: [], refused: [] });
    expect(await stores.totals(type, generation)).toEqual({ rows: 1_000, counted: 1_000, sum: 100 });
  });

  test('a replay, by the same processor and by another one, changes nothing', async () => {
    const { type, events } = stores.typed(500);
    const generation = await stores.sumOf(type);
    const first = stores.processor();
    await stores.store(first, events);
    for (const by of [first, stores.processor()]) {
      const { stored, duplicates } = await stores.store(by, events, midweek + 1);
      expect([stored, duplicates.length]).toEqual([0, 500]);
    }
    expect(await stores.totals(type, generation)).toEqual({ rows: 500, counted: 500, sum: 50 });
  });

  test('the answer to the commit got lost: once more, what this batch stored counts as stored', async () => {
    const { type, events } = stores.typed(300);
    const generation = await stores.sumOf(type);
    await stores.store(stores.processor(), events.slice(0, 20));
    const by = stores.processor();
    const prepared = await by.prepare(stores.rowsOf(events, midweek));
    for (const _ of [1, 2, 3]) {
      const { stored, duplicates } = await by.store(prepared);
      expect([stored, duplicates.length]).toEqual([280, 20]);
    }
    expect(await stores.totals(type, generation)).toEqual({ rows: 300, counted: 300, sum: 30 });
  });

  test('new ones among stored ones and among repeats within the batch', async () => {
    const { type, events } = stores.typed(200);
    const generation = await stores.sumOf(type);
    await stores.store(stores.processor(), events.slice(0, 50));
    const again = [...events, ...events.slice(100, 150), ...events.slice(0, 10)];
    const { stored, duplicates } = await stores.store(stores.processor(), again);
    expect([stored, duplicates.length]).toEqual([150, 110]);
    expect(await stores.totals(type, generation)).toEqual({ rows: 200, counted: 200, sum: 20 });
  });

  test('two processors with the same frames at once', async () => {
    const { type, events } = stores.typed(400);
    const generation = await stores.sumOf(type);
    const both = await Promise.all(
      [0, 1].map((n) => stores.storeUntilDone(stores.processor(), events, midweek + n)),
    );
    expect(both.reduce((sum, stored) => sum + stored, 0)).toBe(400);
    expect(await stores.totals(type, generation)).toEqual({ rows: 400, counted: 400, sum: 40 });
  });
});

test('batches of every size, with and without duplicates, prepare no statement that is left over', async () => {
  const pool = TestStores.connect(stores.database, 2);
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
  const { type } = stores.typed(0);
  await stores.sumOf(type);
  const storeSizes = async (from: number, to: number) => {
    for (let size = from; size < to; size++) {
      const events = Array.from({ length: size }, (_, n) => ({ id: `${type}-${size}-${n}`, type }));
      await Promise.all([
        stores.store(by, events),
        stores.store(by, events.slice(0, size >> 1)).catch(() => {}),
      ]);
      await stores.store(by, [...events.slice(0, size >> 1), { id: `${type}-${size}`, type }]);
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
  const { type, events } = stores.typed(100);
  const by = stores.processor();
  const prepared = await by.prepare(stores.rowsOf(events, midweek));
  const generation = await stores.sumOf(type);
  expect((await by.store(prepared)).stored).toBe(100);
  const [batch] = await stores.sql`
    SELECT meters_version >= (SELECT build_version FROM meters WHERE build = ${generation}) AS counted FROM batches
    WHERE id = (SELECT max(batch_id) FROM events WHERE type = ${type})`;
  expect(batch!.counted).toBe(true);
  expect(await stores.totals(type, generation)).toEqual({ rows: 100, counted: 100, sum: 10 });
});

test('ids of batches that come again (a sequence that was set back) cost attempts, and no row', async () => {
  const { events } = stores.typed(20);
  const [highest] = await stores.sql<{ id: bigint }[]>`SELECT max(id) AS id FROM batches`;
  await stores.sql`SELECT setval('batch_ids', ${highest!.id - 5n})`;
  await stores.sql`
    INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
    SELECT id, 'other', 1, 0, 0, now(), now(), 1 FROM generate_series(${highest!.id + 1n}::bigint, ${highest!.id + 70n}::bigint) id`;
  const by = stores.processor();
  const prepared = await by.prepare(stores.rowsOf(events, midweek));
  for (let tries = 0; ; tries++) {
    const outcome = await by.store(prepared).catch(() => undefined);
    if (!outcome && tries < 100) continue;
    expect(outcome).toMatchObject({ stored: 20, duplicates: [], refused: [] });
    break;
  }
});
