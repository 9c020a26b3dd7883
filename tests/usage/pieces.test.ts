import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { backfillPiece } from '@usage/aggregator/backfill.ts';
import { closeDays } from '@usage/aggregator/days.ts';
import { dropDeadPiece } from '@usage/aggregator/upkeepService.ts';
import { batchesHolding } from '@usage/db/events/tenantBatches.ts';
import { nextBackfillBatches } from '@usage/db/meters/backfills.ts';
import { getMeter } from '@usage/db/meters/findMeters.ts';
import { deleteMeter, updateMeter } from '@usage/db/meters/meters.ts';
import { event, openQueryTest, type QueryTest } from '../query/app.ts';

/** What the aggregator does in bounded pieces, and what happens beside them. */
const arrivedMs = Date.parse('2026-03-20T00:00:00Z');
let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest();
}, 60_000);
afterAll(() => service.close());

let types = 0;

/** Batches of events, stored before any meter of their type; the values add up to 1 + 2 + … */
async function batchesOf(sizes: readonly number[], padding = 0): Promise<string> {
  const type = `pieces_${types++}`;
  let value = 0;
  for (const size of sizes) {
    const texts = Array.from({ length: size }, () =>
      event('acme', '2026-03-20T00:00:00Z', { tokens: ++value, padding: 'x'.repeat(padding) }, { type }),
    );
    await service.pipeline.process(texts, arrivedMs);
  }
  return type;
}

const meterOf = (type: string) =>
  service.meter({ slug: type, eventType: type, aggregation: 'SUM', groupBy: {} });

const unbounded = { eventsMax: 1_000_000, bytesMax: 1_000_000_000 };

/** Until the backfill is done: how many pieces read something. */
async function backfill(generation: bigint, limits: typeof unbounded): Promise<number> {
  let pieces = 0;
  while ((await backfillPiece(service.sql, generation, limits)) === 'more') pieces++;
  return pieces;
}

async function total(slug: string): Promise<number> {
  const answer = await service.get(`/api/v1/meters/${slug}/query`);
  const { data } = (await answer.json()) as { data: { value: number }[] };
  return data[0]?.value ?? 0;
}

describe('a backfill', () => {
  test.each([
    ['events', { ...unbounded, eventsMax: 20 }],
    ['bytes', { ...unbounded, bytesMax: 20_000 }],
  ])('reads no more %s in one transaction than it may, and goes on after them', async (_, limits) => {
    const type = await batchesOf([10, 10, 10, 10, 10], 1_000);
    const { generation } = await meterOf(type);
    expect(await backfill(generation, { ...limits, eventsMax: Math.min(limits.eventsMax, 20) })).toBe(3);
    expect(await total(type)).toBe(1_275);
  });

  test('looks at the batches that hold its type and at no others', async () => {
    const rare = await batchesOf([1]);
    await batchesOf([1, 1, 1, 1]);
    const { namespace, generationVersion: versionBelow } = await meterOf(rare);
    const of = { namespace, type: rare, afterBatch: -1n, versionBelow, batchesMax: 100 };
    expect((await nextBackfillBatches(service.sql, of)).batches).toHaveLength(1);
  });

  test('holds up neither a change nor the deletion of its meter, and leaves nothing of a deleted one', async () => {
    const type = await batchesOf([10]);
    const meter = await meterOf(type);
    const written = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    // The piece has read its events and waits for the table of deltas.
    const holding = service.sql.begin(async (tx) => {
      await tx`LOCK TABLE deltas IN EXCLUSIVE MODE`;
      written.resolve();
      await release.promise;
    });
    await written.promise;
    const piece = backfillPiece(service.sql, meter.generation, unbounded);
    while (!(await waitsFor('deltas'))) await Bun.sleep(5);
    const startedMs = performance.now();
    await updateMeter(service.sql, 'default', meter.id, { name: 'changed' });
    expect(await deleteMeter(service.sql, 'default', meter.id)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    release.resolve();
    await holding;
    expect(await piece).toBe('done');
    expect(await service.sql`SELECT FROM deltas WHERE build = ${meter.generation}`).toHaveLength(0);
    expect((await getMeter(service.sql, 'default', meter.id))?.backfillAfter).toBe(-1n);
  });
});

async function waitsFor(table: string): Promise<boolean> {
  const rows = await service.sql`
    SELECT FROM pg_locks WHERE relation = ${table}::regclass AND NOT granted`;
  return rows.length > 0;
}

describe('what a deleted meter leaves', () => {
  test('goes in pieces of so many rows, each of which stays gone', async () => {
    const meter = await service.meterOfItsOwn('UNIQUE_COUNT');
    const events = Array.from({ length: 40 }, (_, n) =>
      event(`subject ${n % 4}`, new Date(arrivedMs + n * 60_000).toISOString(), `{"tokens":"${n}"}`, {
        type: meter.eventType,
      }),
    );
    await service.pipeline.process(events, arrivedMs);
    await service.pipeline.aggregate(1);
    while ((await closeDays(service.sql, meter.generation, arrivedMs + 3 * 86_400_000)) === 0);
    const before = await rowsLeft(meter.generation);
    expect(before).toBeGreaterThan(100);
    await deleteMeter(service.sql, 'default', meter.id);

    const pieces: number[] = [];
    for (let left = before; await dropDeadPiece(service.sql, { seriesMax: 2, rowsMax: 30 }); ) {
      const now = await rowsLeft(meter.generation);
      pieces.push(left - now);
      left = now;
    }
    expect(Math.max(...pieces)).toBeLessThanOrEqual(32);
    expect(pieces.length).toBeGreaterThan(before / 32);
    expect(await rowsLeft(meter.generation)).toBe(0);
    expect(await service.sql`SELECT FROM rollup_days_closed WHERE build = ${meter.generation}`).toHaveLength(
      0,
    );
    expect(
      await service.sql`SELECT FROM rollup_minutes WHERE series_id NOT IN (SELECT id FROM series)`,
    ).toHaveLength(0);
  });
});

/** Series, rollups and distinct values. */
async function rowsLeft(generation: bigint): Promise<number> {
  const [row] = await service.sql<{ count: number }[]>`
    WITH mine AS (SELECT id FROM series WHERE build = ${generation})
    SELECT ((SELECT count(*) FROM mine)
      + (SELECT count(*) FROM rollup_minutes WHERE series_id IN (SELECT id FROM mine))
      + (SELECT count(*) FROM rollup_hours WHERE series_id IN (SELECT id FROM mine))
      + (SELECT count(*) FROM rollup_days WHERE series_id IN (SELECT id FROM mine))
      + (SELECT count(*) FROM unique_minutes WHERE series_id IN (SELECT id FROM mine))
      + (SELECT count(*) FROM unique_hours WHERE series_id IN (SELECT id FROM mine))
      + (SELECT count(*) FROM unique_days WHERE series_id IN (SELECT id FROM mine)))::int AS count`;
  return row!.count;
}

test('bounds inside a minute read the batches of their minutes, and none of those between', async () => {
  const type = `pieces_${types++}`;
  const times = ['2026-03-01T10:00:20Z', '2026-03-05T00:00:00Z', '2026-03-09T10:00:40Z'];
  for (const time of times)
    await service.pipeline.process([event('acme', time, { tokens: 1 }, { type })], arrivedMs);
  const minute = (text: string) => ({
    fromUs: Date.parse(text) * 1_000,
    toUs: (Date.parse(text) + 60_000) * 1_000,
  });
  const ends = [minute('2026-03-01T10:00:00Z'), minute('2026-03-09T10:00:00Z')];
  const whole = [{ fromUs: ends[0]!.fromUs, toUs: ends[1]!.toUs }];
  const of = { namespace: 'default', type };
  const all = await batchesHolding(service.sql, of, whole);
  expect(await batchesHolding(service.sql, of, ends)).toEqual([all[0]!, all[2]!]);
});
