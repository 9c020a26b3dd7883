import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { dropOldBatches } from '@usage/db/events/batches.ts';
import { describeBatches } from '@usage/db/events/batchTypes.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { streamEntry } from '@usage/tests/support/frames.ts';
import { Batch } from './batch.ts';
import { Store } from './store.ts';

const arrivedMs = Date.UTC(2026, 10, 25);
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createDatabase();
  sql = connect({ url: database.url, name: 'processor', connectionsMax: 4, statementMsMax: 30_000 });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** One frame of every tenant's events, each `n` s before midnight. */
function batchOf(tenants: { namespace: string; type: string; ids: string[] }[], ms: number): Batch {
  const parts = tenants.map(({ namespace, type, ids }) => {
    const events = ids.map((id, n) => ({
      specversion: '1.0',
      id,
      source: 'test',
      type,
      subject: 'one',
      time: new Date(arrivedMs - n * 1_000).toISOString(),
    }));
    return { namespace, receivedMs: ms, events: JSON.stringify(events), count: ids.length };
  });
  const batch = new Batch();
  batch.add(streamEntry(`${ms}-0`, encodeFrame(parts), 0));
  return batch;
}

const described = () => sql`
  SELECT batch_id, namespace, type, events, first_time::text, last_time::text, first_arrived::text, last_arrived::text
  FROM batch_types ORDER BY 1, 2, 3`;

test('a batch says what it holds of each tenant and type, duplicates left out; batches without it are described later', async () => {
  const store = new Store(sql, dayMs, 'test');
  const storeAll = async (batch: Batch) => store.store(await store.prepare(batch.rows));
  await storeAll(
    batchOf(
      [
        { namespace: 'a', type: 'call', ids: ['1', '2', '3'] },
        { namespace: 'b', type: 'call', ids: ['1'] },
        { namespace: 'a', type: 'prompt', ids: ['4'] },
      ],
      arrivedMs,
    ),
  );
  // A duplicate, one of the same id in another namespace, and a new one.
  await storeAll(batchOf([{ namespace: 'a', type: 'call', ids: ['3', '5'] }], arrivedMs + 5));
  await storeAll(batchOf([{ namespace: 'a', type: 'call', ids: ['3'] }], arrivedMs + 6));
  const rows = await described();
  const at = (ms: number) => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}+00`;
  expect(rows.map(({ namespace, type, events }) => [namespace, type, events])).toEqual([
    ['a', 'call', 3],
    ['a', 'prompt', 1],
    ['b', 'call', 1],
    ['a', 'call', 1],
  ]);
  expect(rows[0]).toMatchObject({ first_time: at(arrivedMs - 2_000), last_time: at(arrivedMs) });
  expect(rows[0]).toMatchObject({ first_arrived: at(arrivedMs), last_arrived: at(arrivedMs) });
  expect((await sql`SELECT FROM batches WHERE NOT described`).length).toBe(0);

  await sql`UPDATE batches SET described = false`;
  await sql`DELETE FROM batch_types`;
  let rounds = 0;
  while ((await describeBatches(sql, 2, 1_000)) > 0) rounds++;
  expect(rounds).toBe(2);
  expect(await described()).toEqual(rows);
  expect((await sql`SELECT FROM batches WHERE NOT described`).length).toBe(0);
});

test('batches past the retention are forgotten, with what they held; those within it stay', async () => {
  const store = new Store(sql, dayMs, 'test');
  const agoMs = (days: number) => Date.now() - days * dayMs;
  const days = [60, 50, 20, 0];
  for (const [n, daysAgo] of days.entries()) {
    const batch = batchOf([{ namespace: 'old', type: 'call', ids: [`old-${n}`] }], agoMs(daysAgo));
    await store.store(await store.prepare(batch.rows));
  }
  const left = () => sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM batches b JOIN batch_types t ON t.batch_id = b.id WHERE t.namespace = 'old'
    UNION ALL SELECT count(*)::int FROM batch_types WHERE namespace = 'old'`;
  expect(await dropOldBatches(sql, 31, 1)).toBe(1);
  expect((await left()).map(({ count }) => count)).toEqual([3, 3]);
  expect(await dropOldBatches(sql, 31, 10)).toBe(1);
  expect(await dropOldBatches(sql, 31, 10)).toBe(0);
  expect((await left()).map(({ count }) => count)).toEqual([2, 2]);
});
