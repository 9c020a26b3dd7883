import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mergeGeneration } from '@usage/aggregator/merge.ts';
import { MergeService } from '@usage/aggregator/mergeService.ts';
import { createMetrics } from '@usage/aggregator/metrics.ts';
import { Runner } from '@usage/aggregator/runner.ts';
import type { Transaction } from '@usage/db/connection/connect.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { pendingDeltas, tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { App } from '@usage/lib/service/app.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { queryMetrics } from '@usage/query/metrics.ts';
import { Registry } from 'prom-client';
import { event, openQueryTest, type QueryTest } from '../query/app.ts';

const arrivedMs = Date.parse('2026-03-20T00:00:00Z');
const distinct = 50;
/** One cell of so many distinct values. */
const deltaWeight = distinct + 1;

const mergeSettings = {
  mergeWaitMs: 600_000,
  mergeQuietMs: 60_000,
  deltaCellsWaitingMax: 250_000,
  mergeDeltasMax: 256,
};
const bytesMax = 1_000_000;

let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest();
}, 60_000);
afterAll(() => service.close());

/** A meter of distinct values with deltas that wait. */
async function meterWithDeltas(deltas: number) {
  const meter = await service.meterOfItsOwn('UNIQUE_COUNT');
  for (let n = 0; n < deltas; n++) await storeValues(meter.eventType, n);
  return meter;
}

/** One batch, and so one delta, with the nth of lists of distinct values. */
async function storeValues(eventType: string, n: number): Promise<void> {
  const values = Array.from({ length: distinct }, (_, k) => n * distinct + k);
  const texts = values.map((value) =>
    event('acme', '2026-03-20T00:00:00Z', `{"tokens":"v${value}"}`, { type: eventType }),
  );
  await service.pipeline.process(texts, arrivedMs);
}

test('a merge counts distinct values as it counts cells: it takes no more than it can hold', async () => {
  const { generation } = await meterWithDeltas(3);
  const limits = { deltasMax: 10, weightMax: deltaWeight, bytesMax };
  const merges: unknown[] = [];
  for (let n = 0; n < 4; n++) merges.push((await mergeGeneration(service.sql, generation, limits))?.deltas);
  expect(merges).toEqual([1, 1, 1, 0]);
});

test('queries hold deltas by the distinct values in them, and none that was merged', async () => {
  const meter = await meterWithDeltas(3);
  const { generation } = meter;
  const cache = new DeltaCache(2 * deltaWeight, queryMetrics(new Registry()));
  const ask = () =>
    service.sql.begin(async (tx) => {
      let cells = 0;
      for await (const { size } of cache.of(tx, await toRead(tx, meter), 'each')) cells += size;
      return cells;
    });

  expect(await ask()).toBe(3);
  expect(cache.weight).toBe(2 * deltaWeight);
  await mergeGeneration(service.sql, generation, {
    deltasMax: 3,
    weightMax: 10 * deltaWeight,
    bytesMax,
  });
  expect(await ask()).toBe(0);
  expect(cache.weight).toBe(0);
});

test('what a held delta says of all subjects together is weighed as well, and goes with it', async () => {
  const meter = await meterWithDeltas(2);
  const { generation } = meter;
  const cache = new DeltaCache(100 * deltaWeight, queryMetrics(new Registry()));
  const ask = (subjects: 'each' | 'all') =>
    service.sql.begin(async (tx) => Array.fromAsync(cache.of(tx, await toRead(tx, meter), subjects)));

  await ask('each');
  expect(cache.weight).toBe(2 * deltaWeight);
  for (const _ of [1, 2]) await ask('all');
  expect(cache.weight).toBe(4 * deltaWeight);
  await mergeGeneration(service.sql, generation, {
    deltasMax: 2,
    weightMax: 10 * deltaWeight,
    bytesMax,
  });
  await ask('each');
  expect(cache.weight).toBe(0);
});

test('a merge takes no more bytes than it can hold, but one delta at least', async () => {
  const { generation } = await meterWithDeltas(3);
  const limits = { deltasMax: 10, weightMax: 100 * deltaWeight, bytesMax: 1 };
  expect((await mergeGeneration(service.sql, generation, limits))?.deltas).toBe(1);
});

/** The service in its runner, as the app runs it. */
function mergeRunner(settings: Partial<typeof mergeSettings>) {
  const app = new App('aggregator', createLog('aggregator', 'silent'), 5_000);
  const metrics = createMetrics(new Registry());
  const merge = new MergeService({ ...mergeSettings, ...settings }, metrics);
  const runner = app.use('merge', new Runner(app, service.url, merge, metrics), (one) => one.stopped());
  return { app, metrics, runner };
}

test('the service merges what waits, says so, and leaves a generation alone that another one holds', async () => {
  const held = await meterWithDeltas(1);
  const free = await meterWithDeltas(1);
  const { app, metrics, runner } = mergeRunner({ mergeWaitMs: 10 });
  const waiting = async () => (await pendingDeltas(service.sql)).deltas;

  await service.sql.begin(async (tx) => {
    expect(await tryLockGeneration(tx, held.generation)).toBe(true);
    runner.start();
    while ((await waiting()) > 1) await Bun.sleep(5);
    expect(await waitingDeltas(free.generation)).toHaveLength(0);
    expect(await waitingDeltas(held.generation)).toHaveLength(1);
  });
  while ((await waiting()) > 0) await Bun.sleep(5);
  while ((await metrics.waiting.get()).values[0]?.value !== 0) await Bun.sleep(5);
  expect(runner.fault).toBeUndefined();
  expect(await app.stop()).toBe(true);
});

test('deltas that become many are made into one and wait on; where each brings other cells they are merged', async () => {
  const { eventType } = await meterWithDeltas(0);
  await service.pipeline.aggregate(1);
  const { app, metrics, runner } = mergeRunner({ deltaCellsWaitingMax: 5 * deltaWeight });
  const merged = async () => (await metrics.merged.get()).values[0]!.value;
  const compacted = async () => (await metrics.compacted.get()).values[0]!.value;
  await storeValues(eventType, 0);
  runner.start();
  while ((await merged()) < 1) await Bun.sleep(5); // what waits at the start is merged
  // The values of one delta again and again: together they weigh what each of them did, and can wait for more.
  for (let compactions = 0, before = 0; compactions < 2; ) {
    await storeValues(eventType, 0);
    const now = await compacted();
    if (now > before) compactions++;
    before = now;
  }
  expect(await merged()).toBe(1);
  // New ones each time: compacting makes them no fewer.
  for (let n = 1; (await merged()) === 1; n++) await storeValues(eventType, n);
  expect(await app.stop()).toBe(true);
});

test('a generation whose deltas cannot be read keeps no other from its merge, and is named', async () => {
  const broken = await meterWithDeltas(1);
  await service.sql`UPDATE deltas SET payload = '\\x07' WHERE build = ${broken.generation}`;
  const whole = await meterWithDeltas(1);
  const { app, runner } = mergeRunner({ mergeWaitMs: 10 });
  runner.start();
  while ((await waitingDeltas(whole.generation)).length > 0) await Bun.sleep(5);
  while (!runner.fault) await Bun.sleep(5);
  expect(runner.fault).toContain('delta version 7 is unknown');
  expect(await waitingDeltas(broken.generation)).toHaveLength(1);
  await service.sql`DELETE FROM deltas WHERE build = ${broken.generation}`;
  expect(await app.stop()).toBe(true);
});

async function toRead(tx: Transaction, { namespace, id }: StoredMeter): Promise<MeterToRead> {
  return (await getMeterToRead(tx, namespace, id))!;
}

async function waitingDeltas(generation: bigint): Promise<bigint[]> {
  const rows = await service.sql<
    { id: bigint }[]
  >`SELECT id FROM deltas WHERE build = ${generation} ORDER BY id`;
  return rows.map(({ id }) => id);
}
