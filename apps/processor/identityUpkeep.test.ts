import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { readIdentityTables } from '@usage/db/events/identityTables.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { createRedis, type TestRedis } from '@usage/tests/support/redis.ts';
import { Redis } from 'ioredis';
import { IdentityUpkeep } from './identityUpkeep.ts';

let database: TestDatabase;
let server: TestRedis;
let sql: Sql;
let redis: Redis;
beforeAll(async () => {
  database = await createDatabase();
  sql = connect({ url: database.url, name: 'processor', connectionsMax: 2, statementMsMax: 10_000 });
  server = await createRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.drop();
  await sql.end();
  await database.drop();
});

test('a table is closed after two windows, and dropped once no frame that waits is within the window of its events', async () => {
  const stream = new EventStream(redis, 'identities');
  const upkeep = new IdentityUpkeep(sql, stream, dayMs, createLog('processor', 'silent'));
  const tables = async () => {
    const { open, closed } = await readIdentityTables(sql);
    return [open, ...closed.map(({ number }) => number)];
  };
  await sql`
    INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
    SELECT 1, 'test', 1, 1, 0, at, at, 1 FROM (SELECT now() - INTERVAL '3 days' AS at) arrival`;
  await upkeep.round();
  expect(await tables()).toEqual([1]);

  // A frame of the time of that batch still waits: it may hold a copy.
  await redis.xadd(stream.key, `${Date.now() - 3 * dayMs + 3_600_000}-0`, 'f', 'x', 'n', '1');
  await sql`UPDATE identity_tables SET opened_at = now() - INTERVAL '49 hours'`;
  await upkeep.round();
  expect(await tables()).toEqual([2, 1]);
  await redis.del(stream.key);
  await upkeep.round();
  expect(await tables()).toEqual([2]);
  expect(await sql`SELECT to_regclass('identities_1') AS gone`).toMatchObject([{ gone: null }]);
});
