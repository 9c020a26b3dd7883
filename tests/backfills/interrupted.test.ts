import { afterAll, beforeAll, expect, test } from 'bun:test';
import { dropSpentKeys } from '@usage/db/backfills/backfills.ts';
import { staleMinutes } from '@usage/db/corrections/staleMinutes.ts';
import { noteRetention } from '@usage/db/schema/eventsKept.ts';
import { closeStored } from '@usage/gateway/backfills/close.ts';
import { create, get, revert } from '@usage/gateway/backfills/service.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { Redis } from 'ioredis';
import { event, openQueryTest, type QueryTest } from '../query/app.ts';
import { createRedis, type TestRedis } from '../support/redis.ts';
import { type AppName, spawnApp } from '../support/spawnApp.ts';

/** Backfills whose closing, revert or remake is interrupted, and events that come too late for theirs. */
let query: QueryTest;
let redis: TestRedis;
beforeAll(async () => {
  [query, redis] = await Promise.all([openQueryTest(), createRedis()]);
}, 60_000);
afterAll(async () => {
  await query.close();
  await redis.drop();
});

const actor = { namespace: 'default', name: 'operator', requestId: 'test' };
const arrivedMs = Date.parse('2025-03-05T00:00:00Z');
let types = 0;

async function meterOfSum() {
  const type = `interrupted_${types++}`;
  await query.meter({ slug: type, eventType: type, aggregation: 'SUM', groupBy: {} });
  await query.pipeline.backfill();
  const one = (id: string, tokens: number, time = '2025-03-01T10:00:00Z') =>
    event('acme', time, { tokens }, { id: `${type}-${id}`, type });
  const ask = async (parameters = '') => {
    const response = await query.get(`/api/v1/meters/${type}/query?${parameters}`);
    const { data } = (await response.json()) as { data: { value: number }[] };
    return data.map(({ value }) => value);
  };
  return { type, one, ask };
}

/** What the meter makes of an event. */
async function explained(id: string): Promise<object> {
  const body = { event: { source: 'test', id } };
  const response = await query.post('/api/v1/meters/evaluate', body);
  return ((await response.json()) as { items: { meters: object[] }[] }).items[0]!.meters[0]!;
}

function start(name: AppName, failPoint?: string) {
  const env = {
    ...{ ...process.env, DATABASE_URL: query.url, REDIS_URL: redis.url, LOG_LEVEL: 'info', AUTH: 'off' },
    ...{
      API_PORT: '0',
      AGGREGATOR_PORT: '0',
      PROCESSOR_PORT: '0',
      ...(failPoint && { USAGE_FAIL_POINT: failPoint }),
    },
  };
  return spawnApp(name, env, 'inherit');
}

test('an aggregator that is killed in the middle of a remake loses and doubles nothing', async () => {
  const { type, one, ask } = await meterOfSum();
  await query.pipeline.process([one('a', 1), one('b', 2, '2025-03-02T11:00:30Z')], arrivedMs);
  await query.pipeline.aggregate(1);
  await query.pipeline.closeDays(arrivedMs);
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('c', 10), one('d', 20, '2025-03-02T11:00:10Z')], arrivedMs + 1, type);
  expect(await ask()).toEqual([3]);
  expect(await explained(`${type}-c`)).toEqual({
    ...{ slug: type, aggregation: 'SUM', counted: false },
    reason: `the event was sent under the backfill ${type}, which is open`,
  });
  await closeStored(query.sql, actor, type, false);
  expect(await ask()).toEqual([33]);
  expect(await explained(`${type}-c`)).toMatchObject({ counted: true, value: '10' });
  for (const point of ['remake-merged', 'remake-before-commit', 'remake-after-commit']) {
    const aggregator = start('aggregator', point);
    await aggregator.exited;
    expect(aggregator.signalCode).toBe('SIGKILL');
    expect(await ask()).toEqual([33]);
  }
  const aggregator = start('aggregator');
  while ((await staleMinutes(query.sql)) > 0) await Bun.sleep(20);
  expect(await ask()).toEqual([33]);
  await revert(query.sql, actor, type);
  expect(await ask()).toEqual([3]);
  while ((await staleMinutes(query.sql)) > 0) await Bun.sleep(20);
  expect(await ask()).toEqual([3]);
  aggregator.kill();
  await aggregator.exited;
}, 120_000);

test('a gateway that is killed before the commit has closed nothing, and the same request closes it', async () => {
  const { type, one, ask } = await meterOfSum();
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('a', 5)], arrivedMs, type);
  const gateway = start('gateway', 'backfill-before-close');
  const url = await listening(gateway.stdout);
  const close = fetch(`${url}/api/v1/backfills/${type}/close`, { method: 'POST' });
  await expect(close).rejects.toThrow();
  await gateway.exited;
  expect((await get(query.sql, 'default', type)).state).toBe('open');
  expect([await ask(), await staleMinutes(query.sql)]).toEqual([[], 0]);
  await closeStored(query.sql, actor, type, false);
  expect(await ask()).toEqual([5]);
}, 60_000);

test('a processor that is killed while it stores events of a backfill stores each of them once', async () => {
  const { type, one, ask } = await meterOfSum();
  await create(query.sql, actor, { id: type, reason: 'test' });
  const client = new Redis(redis.url);
  const part = {
    namespace: 'default',
    receivedMs: Date.now(),
    events: `[${one('a', 3)},${one('b', 4)}]`,
    count: 2,
  };
  const outside = { ...part, events: one('c', 100), count: 1 };
  await new EventStream(client).append(encodeFrame([{ ...part, backfill: type }, outside]), 3);
  const killed = start('processor', 'backfill-after-copy');
  await killed.exited;
  expect(killed.signalCode).toBe('SIGKILL');
  const processor = start('processor');
  while ((await get(query.sql, 'default', type)).events < 2) await Bun.sleep(20);
  expect(await ask()).toEqual([100]);
  expect((await closeStored(query.sql, actor, type, false)).closing).toMatchObject({ counted: 2 });
  expect(await ask()).toEqual([107]);
  processor.kill();
  await processor.exited;
  client.disconnect();
}, 60_000);

test('an event that comes after its backfill was closed is a dead letter; one that was in it is a duplicate', async () => {
  const { type, one, ask } = await meterOfSum();
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('a', 5)], arrivedMs, type);
  await closeStored(query.sql, actor, type, false);
  const late = await query.pipeline.processAll([one('a', 5), one('b', 7)], arrivedMs, type);
  expect(late.stored).toBe(0);
  expect(late.duplicates).toHaveLength(1);
  expect(late.refused.map(({ reason }) => reason)).toEqual([
    `the backfill ${type} was closed or reverted before the event was stored`,
  ]);
  expect(await ask()).toEqual([5]);
  const none = await query.pipeline.processAll([one('c', 7)], arrivedMs, 'never-made');
  expect(none.refused.map(({ reason }) => reason)).toEqual(['there is no backfill never-made']);
});

test('a meter that is made later counts what is closed, and not what is open', async () => {
  const { type, one } = await meterOfSum();
  for (const state of ['closed', 'open']) {
    await create(query.sql, actor, { id: `${type}-${state}`, reason: 'test' });
    await query.pipeline.process([one(state, 5)], arrivedMs, `${type}-${state}`);
  }
  await closeStored(query.sql, actor, `${type}-closed`, false);
  await query.meter({ slug: `${type}_later`, eventType: type, aggregation: 'COUNT', groupBy: {} });
  const ask = async () => {
    const response = await query.get(`/api/v1/meters/${type}_later/query`);
    return ((await response.json()) as { data: { value: number }[] }).data.map(({ value }) => value);
  };
  expect(await ask()).toEqual([1]);
  await query.pipeline.backfill();
  await query.pipeline.aggregate(1);
  expect(await ask()).toEqual([1]);
  await closeStored(query.sql, actor, `${type}-open`, false);
  expect(await ask()).toEqual([2]);
});

test('an answer as of a moment counts a backfill by when it was closed and reverted', async () => {
  const { type, one, ask } = await meterOfSum();
  await query.pipeline.process([one('a', 1)], arrivedMs);
  const replaces = { types: [type], from: '2025-03-01T00:00:00Z', to: '2025-03-02T00:00:00Z' };
  await create(query.sql, actor, { id: type, reason: 'test', replaces });
  await query.pipeline.process([one('b', 10)], arrivedMs, type);
  const moments = [new Date()];
  for (const step of [
    () => closeStored(query.sql, actor, type, false),
    () => revert(query.sql, actor, type),
  ]) {
    await step();
    moments.push(new Date(Date.now() + 1));
    await Bun.sleep(2);
  }
  const then = await Promise.all(moments.map((at) => ask(`asOf=${at.toISOString()}`)));
  expect(then).toEqual([[1], [10], [1]]);
});

test('thresholds of its subjects are looked at again when it is closed and reverted', async () => {
  const { type, one } = await meterOfSum();
  const noted = () => query.sql<{ subject: string }[]>`
    DELETE FROM corrected_subjects WHERE type = ${type} RETURNING subject`;
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('a', 1), one('b', 2)], arrivedMs, type);
  await query.sql`
    INSERT INTO notification_rules (id, namespace, type, name, channel_ids) VALUES ('r', 'default', 'entitlements.reset', 'r', '{}')`;
  for (const step of [
    () => closeStored(query.sql, actor, type, false),
    () => revert(query.sql, actor, type),
  ]) {
    await step();
    expect((await noted()).map(({ subject }) => subject)).toEqual(['acme']);
  }
  await query.sql`DELETE FROM notification_rules`;
});

test('keys of identities are kept as long as the identity table that took them', async () => {
  const { type, one } = await meterOfSum();
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('a', 1)], arrivedMs, type);
  await closeStored(query.sql, actor, type, false);
  await dropSpentKeys(query.sql, 100);
  const keys = () => query.sql<{ n: number }[]>`
    SELECT count(*)::int AS n FROM backfill_keys k JOIN event_backfills f ON f.number = k.backfill WHERE f.id = ${type}`;
  expect((await keys())[0]!.n).toBe(1);
  await query.sql`UPDATE event_backfills SET identity_table = -1 WHERE id = ${type}`;
  await dropSpentKeys(query.sql, 100);
  expect((await keys())[0]!.n).toBe(0);
});

test('a minute whose events may be gone does not change any more', async () => {
  const { type, one, ask } = await meterOfSum();
  await query.pipeline.process([one('a', 1)], arrivedMs);
  await create(query.sql, actor, { id: type, reason: 'test' });
  await query.pipeline.process([one('b', 10)], arrivedMs, type);
  await noteRetention(query.sql, 31);
  await expect(closeStored(query.sql, actor, type, false)).rejects.toThrow('no longer kept');
  expect(await ask()).toEqual([1]);
});

/** The gateway's address, once it listens. */
async function listening(output: ReadableStream<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of output) {
    text += new TextDecoder().decode(chunk);
    const port = /"port":(\d+)[^\n]*"msg":"listening"/.exec(text)?.[1];
    if (port) return `http://127.0.0.1:${port}`;
  }
  throw new Error(`the gateway ended:\n${text}`);
}
