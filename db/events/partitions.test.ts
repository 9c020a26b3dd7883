import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { connect, type Sql } from '../connection/connect.ts';
import { openPeriod } from './partitions.ts';

/** 2026-11-23, a Monday. */
const monday = 20_780;
let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createDatabase({ timescale: false });
  const options = { name: 'test', connectionsMax: 4, statementMsMax: 10_000, lockMsMax: 2_000 };
  sql = connect({ url: database.url, ...options });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

function insert(executor: Pick<Sql, 'unsafe'>, day: number) {
  return executor.unsafe(`
    INSERT INTO events (time, ingested_at, batch_id, period, namespace, source, id, type, subject)
    VALUES (now(), now(), 1, DATE '1970-01-01' + ${day}, 'default', 's', 'i', 't', 'x')`);
}

test('a native partition is opened beside a batch that is not committed yet, once, and again where it was lost', async () => {
  await openPeriod(sql, monday + 2);
  const opened = Promise.withResolvers<void>();
  const batch = sql.begin(async (tx) => {
    await insert(tx, monday);
    await opened.promise;
    await insert(tx, monday + 6);
  });
  await Promise.all([7, 8, 13].map((days) => openPeriod(sql, monday + days)));
  await insert(sql, monday + 7);
  opened.resolve();
  await batch;
  const names = async () =>
    (
      await sql<{ name: string }[]>`
        SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass ORDER BY 1`
    ).map(({ name }) => name);
  expect(await names()).toEqual(['events_20261123', 'events_20261130']);

  await sql`DROP TABLE events_20261130`;
  await expect(insert(sql, monday + 8)).rejects.toMatchObject({ code: '23514' });
  await openPeriod(sql, monday + 8);
  await insert(sql, monday + 8);
  const { count } = (await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM events`)[0]!;
  expect(count).toBe(3);
});
