import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  closeIdentityTable,
  dropIdentityTables,
  readIdentityTables,
} from '@usage/db/events/identityTables.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { midweek, TestStores } from '@usage/tests/support/stores.ts';
import { contentOf, keyOf } from './batch.ts';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.start();
});
afterAll(() => stores.stop());

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
      const { type } = stores.typed(0);
      return { type, events: Array.from({ length: 60 }, (_, n) => ({ id: idOf(n), type })) };
    };

    test(`${kind}: sent again after it, by who has met them and by who has not`, async () => {
      const { type, events } = make();
      const generation = await stores.sumOf(type);
      const first = stores.processor();
      expect((await stores.store(first, events)).stored).toBe(60);
      await closeIdentityTable(stores.sql, 0);
      for (const by of [first, stores.processor()])
        expect((await stores.store(by, events, midweek + dayMs)).stored).toBe(0);
      await closeIdentityTable(stores.sql, 0);
      expect(
        (await stores.store(stores.processor(), [...events, ...make().events], midweek + hourMs)).stored,
      ).toBe(60);
      expect(await stores.totals(type, generation)).toEqual({ rows: 60, counted: 60, sum: 6 });
    });

    test(`${kind}: copies stored by three processors while tables are closed`, async () => {
      const { type, events } = make();
      const generation = await stores.sumOf(type);
      const stored = await Promise.all([
        stores.storeUntilDone(stores.processor(), events, midweek),
        stores.storeUntilDone(stores.processor(), events, midweek + 1),
        closeIdentityTable(stores.sql, 0).then(() => 0),
        stores.storeUntilDone(stores.processor(), events.slice(0, 30), midweek + 2),
        closeIdentityTable(stores.sql, 0).then(() => 0),
      ]);
      expect(stored.reduce((sum, count) => sum + count, 0)).toBe(60);
      expect(await stores.totals(type, generation)).toEqual({ rows: 60, counted: 60, sum: 6 });
    });
  }

  test('a table is dropped once nothing that may still be stored is within the window of its events', async () => {
    const { events } = stores.typed(10);
    await stores.store(stores.processor(), events);
    const by = stores.processor();
    const { open } = await readIdentityTables(stores.sql);
    await closeIdentityTable(stores.sql, 0);
    expect(await closeIdentityTable(stores.sql, hourMs)).toBeUndefined();
    const [last] = await stores.sql<{ ms: number }[]>`
      SELECT (extract(epoch FROM max(arrived_to)) * 1000)::float8 AS ms FROM batches`;
    await by.prepare(stores.rowsOf(events, midweek)); // knows of the tables as they are now
    expect(await dropIdentityTables(stores.sql, last!.ms)).not.toContain(open);
    expect(await dropIdentityTables(stores.sql, last!.ms + 1)).toContain(open);
    expect((await readIdentityTables(stores.sql)).closed).toEqual([]);
    // Its look into the table that is gone fails, and it looks again which there are.
    expect((await stores.store(by, stores.typed(5).events)).stored).toBe(5);
  });

  test('frames that come back out of an older copy of Redis, after their identities were dropped, are stored once', async () => {
    const { type, events } = stores.typed(40);
    const generation = await stores.sumOf(type);
    const arrivedMs = midweek - 3 * dayMs;
    expect((await stores.store(stores.processor(), events.slice(0, 30), arrivedMs)).stored).toBe(30);
    await closeIdentityTable(stores.sql, 0);
    expect(await dropIdentityTables(stores.sql, Date.UTC(2100, 0))).not.toEqual([]);
    // The same frame, with ten events that were never stored.
    const again = await stores.store(stores.processor(), events, arrivedMs);
    expect([again.stored, again.duplicates.length]).toEqual([10, 30]);
    // Sent by a client long after the window: other events.
    expect((await stores.store(stores.processor(), events.slice(0, 5), midweek + 9 * dayMs)).stored).toBe(5);
    expect(await stores.totals(type, generation)).toEqual({ rows: 45, counted: 45, sum: 4.5 });
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
  const { type } = stores.typed(0);
  const rows = stores.rowsOf(
    ids.map((id) => ({ id, type })),
    midweek,
  );
  const made = await stores.sql<{ key: string }[]>`
    SELECT encode(uuid_send(identity_key('default', 'test', id)), 'hex') AS key
    FROM unnest(${rows.map((row) => contentOf(row).id)}::text[]) id`;
  expect(made.map(({ key }) => key)).toEqual(rows.map(keyOf));
});
