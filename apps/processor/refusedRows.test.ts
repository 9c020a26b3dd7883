import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { midweek, TestStores } from '@usage/tests/support/stores.ts';
import { contentOf } from './batch.ts';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.start();
});
afterAll(() => stores.stop());

describe('what PostgreSQL refuses', () => {
  test('is left out alone, with the reason, and the rest of its batch is stored', async () => {
    const { type, events } = stores.typed(333);
    const generation = await stores.sumOf(type);
    const poison = [7, 200, 201].map((n) => ({ id: `${type}\0${n}`, type }));
    const { stored, refused } = await stores.store(stores.processor(), [
      ...events.slice(0, 100),
      ...poison,
      ...events.slice(100),
    ]);
    expect(stored).toBe(333);
    expect(refused.map(({ row }) => contentOf(row).id).sort()).toEqual(poison.map(({ id }) => id).sort());
    expect(refused[0]!.reason).toContain('0x00');
    expect(await stores.totals(type, generation)).toEqual({ rows: 333, counted: 333, sum: 33.3 });
  });

  test('a batch of nothing else', async () => {
    const { type } = stores.typed(0);
    const { stored, refused } = await stores.store(stores.processor(), [{ id: 'a\0b', type }]);
    expect([stored, refused.length]).toEqual([0, 1]);
  });

  test('an empty batch leaves no trace', async () => {
    const count = async () => (await stores.sql`SELECT count(*)::int AS n FROM batches`)[0]!.n;
    const before = await count();
    expect(await stores.store(stores.processor(), [])).toEqual({ stored: 0, duplicates: [], refused: [] });
    expect(await count()).toBe(before);
  });
});
test('a constraint that no duplicate explains: the row becomes a dead letter, the innocent are stored', async () => {
  const { type, events } = stores.typed(50);
  const generation = await stores.sumOf(type);
  const [first] = events;
  await stores.store(stores.processor(), [first!]);
  await stores.sql.unsafe(
    `CREATE UNIQUE INDEX strange ON events ((data ->> 'strange'), period) WHERE type = '${type}'`,
  );
  const odd = [1, 2].map((n) => ({ id: `${type}-odd-${n}`, type, data: { amount: '0.1', strange: 'same' } }));
  const by = stores.processor();
  const prepared = await by.prepare(stores.rowsOf([...events, ...odd], midweek));
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
  await stores.sql`DROP INDEX strange`;
  expect(await stores.totals(type, generation)).toEqual({ rows: 51, counted: 51, sum: 5.1 });
});
