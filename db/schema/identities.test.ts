import { afterEach, describe, expect, test } from 'bun:test';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { Batch } from '@usage/processor/batch.ts';
import { inOrderOfKeys } from '@usage/processor/keyOrder.ts';
import { Store } from '@usage/processor/store.ts';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { streamEntry } from '@usage/tests/support/frames.ts';
import { connect, type Sql } from '../connection/connect.ts';
import { migrate } from './migrate.ts';

/** Up to 010: as a build before identity tables left it. */
const before = 8;
const nowMs = Date.now();
let database: TestDatabase;
let sql: Sql;

afterEach(async () => {
  await sql.end();
  await database.drop();
});

/** As that build's processors write: the period is a Monday. */
async function insertOld(batch: number, ids: string[], arrivedMs: number): Promise<void> {
  await sql.begin(async (tx) => {
    const day = new Date(arrivedMs - ((Math.floor(arrivedMs / dayMs) + 3) % 7) * dayMs)
      .toISOString()
      .slice(0, 10);
    await tx`SELECT open_period(${day}::date)`;
    await tx`
      INSERT INTO events (time, ingested_at, batch_id, period, namespace, source, id, type, subject)
      SELECT now(), to_timestamp(${arrivedMs}::float8 / 1000), ${batch}, ${day}::date, 'default', 'test', id, 'call', 'one'
      FROM unnest(${ids}::text[]) id`;
    await tx`
      INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to)
      SELECT ${batch}, 'old', 1, ${ids.length}, 0, at, at FROM to_timestamp(${arrivedMs}::float8 / 1000) at`;
  });
}

async function storeNew(ids: string[]): Promise<number> {
  const store = new Store(sql, dayMs, 'test');
  const events = JSON.stringify(
    ids.map((id) => ({ specversion: '1.0', id, source: 'test', type: 'call', subject: 'one' })),
  );
  const frame = encodeFrame([{ namespace: 'default', receivedMs: nowMs, events, count: ids.length }]);
  const batch = new Batch();
  batch.add(streamEntry(`${nowMs}-0`, frame, ids.length));
  return (await store.store(await store.prepare(inOrderOfKeys(batch.rows)))).stored;
}

describe.each([true, false])(
  'identities of before the upgrade (TimescaleDB where it is there: %p)',
  (timescale) => {
    test('are known after it, those stored while it runs too; the older processor is held off until it is replaced', async () => {
      database = await createDatabase({ timescale });
      await migrate(database.url, { direction: 'down', count: 1_000 });
      await migrate(database.url, { direction: 'up', count: before });
      sql = connect({ url: database.url, name: 'test', connectionsMax: 2, statementMsMax: 10_000 });
      const recent = ['a', Bun.randomUUIDv7('hex', nowMs - 3_600_000), '01KAVS4U00ABCDEFGHJKMNPQRS', 'ü'];
      await insertOld(1001, recent, nowMs - 20 * 3_600_000);
      await insertOld(1002, ['long ago'], nowMs - 20 * dayMs);
      await migrate(database.url, { direction: 'up', count: 1, dedupeWindowHours: 24 });
      await insertOld(1003, ['meanwhile'], nowMs);
      await migrate(database.url, { direction: 'up', count: 1 });
      await expect(insertOld(1004, ['later'], nowMs)).rejects.toMatchObject({ code: '55000' });
      await migrate(database.url, { direction: 'up' });

      expect(await storeNew([...recent, 'meanwhile', 'later', 'long ago'])).toBe(2);
      const [{ count } = { count: 0 }] = await sql<
        { count: number }[]
      >`SELECT count(*)::int AS count FROM events`;
      expect(count).toBe(8);
    }, 60_000);

    test('go back and come again with the schema', async () => {
      database = await createDatabase({ timescale });
      sql = connect({ url: database.url, name: 'test', connectionsMax: 2, statementMsMax: 10_000 });
      expect(await storeNew(['a', 'b'])).toBe(2);
      await migrate(database.url, { direction: 'down', count: await migrationsSince() });
      await migrate(database.url, { direction: 'up', dedupeWindowHours: 24 });
      expect(await storeNew(['a', 'b', 'c'])).toBe(1);
    }, 60_000);
  },
);

/** How many there are after the last of `before`. */
async function migrationsSince(): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM migrations`;
  return row!.count - before;
}
