import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from '@usage/db/connection/connect.ts';
import { shardTag } from '@usage/lib/stream/shardTag.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startTestCluster, type TestCluster } from '../support/redisCluster.ts';
import { caller } from './call.ts';
import { type LimitsProcess, startLimits } from './limitsProcess.ts';

let database: TestDatabase;
let redis: TestCluster;
let limits: LimitsProcess;
const startMsMax = 60_000;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestCluster()]);
  const sql = connect({ url: database.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  await sql`UPDATE storage_settings SET stream_shards = 3`;
  await sql.end();
  limits = await startLimits({ database, redis });
}, startMsMax);
afterAll(async () => {
  await limits?.stop();
  await redis?.stop();
  await database?.drop();
}, startMsMax);

test('how fresh a check is counts what waits in every shard of the stream', async () => {
  const call = caller(limits.url);
  await call('POST', '/api/v1/customers', { name: 'acme', key: 'acme' });
  const key = `{${shardTag('usage', 2)}}:events`;
  await (await redis.masterOf(key)).admin.xadd(key, '*', 'f', 'a frame', 'n', '1');
  const waiting = async (headers: Record<string, string> = {}) =>
    (await call('GET', '/api/v1/customers/acme/access', undefined, headers)).headers.get(
      'usage-events-waiting',
    );
  while ((await waiting()) === null) await Bun.sleep(50); // the number of shards is looked up at the start
  expect(await waiting({ Prefer: 'wait=1' })).toBe('1');
}, 30_000);
