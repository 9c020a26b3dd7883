import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { event, openQueryTest, type QueryTest } from './app.ts';

/** Levels over time as clients ask for them; that they are right at every stage is tests/usage.property.test.ts. */
const arrivedMs = Date.parse('2026-03-01T00:00:00Z');
const now = '2026-03-04T12:00:00Z';
let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest(undefined, {}, () => Date.parse(now));
  for (const [slug, timeUnit] of [
    ['storage', 'HOUR'],
    ['storage_seconds', undefined],
  ] as const)
    await service.meter({
      slug,
      eventType: 'volume',
      aggregation: 'WEIGHTED_SUM',
      valueProperty: '$.gb',
      timeUnit,
      groupBy: { tier: '$.tier' },
    });
  const change = (subject: string, time: string, gb: number, tier: string) =>
    event(subject, time, { gb, tier }, { type: 'volume' });
  await service.pipeline.process(
    [
      change('acme', '2026-02-10T00:00:00Z', 3, 'ssd'),
      change('acme', '2026-03-02T06:00:00Z', -1, 'ssd'),
      change('zebra', '2026-03-02T12:00:00Z', 0.5, 'hdd'),
      change('zebra', '2026-03-03T00:00:00Z', -0.5, 'hdd'),
    ],
    arrivedMs,
  );
  await service.pipeline.process([change('acme', '2026-03-05T00:00:00Z', 100, 'ssd')], arrivedMs + 60_000);
  await service.pipeline.process([change('acme', '2026-03-01T12:00:00Z', 1, 'ssd')], arrivedMs + 120_000);
}, 60_000);
afterAll(() => service.close());

interface Row {
  value: number;
  valueExact?: string;
  windowStart: string;
  windowEnd: string;
  subject: string | null;
  groupBy: Record<string, string>;
  other?: boolean;
}

async function ask(parameters: string, slug = 'storage'): Promise<Row[]> {
  const response = await service.get(`/api/v1/meters/${slug}/query?${parameters}`);
  const { data } = (await response.json()) as { data: Row[] };
  return data;
}

const days = 'from=2026-03-01T00:00:00Z&to=2026-03-31T00:00:00Z&windowSize=DAY';

describe('a WEIGHTED_SUM', () => {
  test('is the area under the level: carried into windows without events, up to the present', async () => {
    const rows = await ask(days);
    expect(rows.map(({ windowStart, value }) => [windowStart.slice(0, 10), value])).toEqual([
      ['2026-03-01', 3 * 12 + 4 * 12],
      ['2026-03-02', 4 * 6 + 3 * 18 + 0.5 * 12],
      ['2026-03-03', 3 * 24],
      ['2026-03-04', 3 * 12],
    ]);
    expect(rows.at(-1)!.windowEnd).toBe('2026-03-05T00:00:00Z');
  });

  test('has no rows of a group whose level is zero', async () => {
    const rows = await ask(`${days}&groupBy=subject&groupBy=tier&filterGroupBy[tier]=hdd`);
    expect(rows.map(({ windowStart, subject, value }) => [windowStart.slice(0, 10), subject, value])).toEqual(
      [
        ['2026-03-02', 'zebra', 6],
        // Its level went down at the very beginning.
        ['2026-03-03', 'zebra', 0],
      ],
    );
  });

  test('without windows lasts from the first change, or from, to the present', async () => {
    const [row] = await ask('subject=acme');
    const hours = 3 * (19 * 24 + 12) + 4 * 18 + 3 * (18 + 24 + 12);
    expect(row).toMatchObject({ value: hours, windowStart: '2026-02-10T00:00:00Z', windowEnd: now });
    expect(await ask('subject=acme', 'storage_seconds')).toMatchObject([{ value: hours * 3_600 }]);
  });

  test('as of a moment knows the changes that had arrived, and ends there', async () => {
    const asOf = '2026-03-01T00:01:30Z';
    const [row] = await ask(`${days}&asOf=${asOf}`, 'storage_seconds');
    expect(row!.value).toBe(3 * 90);
    const [hour] = await ask('from=2026-03-01T00:00:00.5Z&to=2026-03-01T00:00:02Z', 'storage_seconds');
    expect(hour!.value).toBe(4.5);
  });

  test('of the largest groups has the others as one row', async () => {
    const rows = await ask('from=2026-03-02T00:00:00Z&groupBy=tier&topN=1');
    expect(rows.map(({ groupBy, other, value }) => [groupBy.tier ?? other, value])).toEqual([
      ['ssd', 4 * 6 + 3 * (18 + 24 + 12)],
      [true, 6],
    ]);
  });
});

describe('a WEIGHTED_LATEST', () => {
  beforeAll(async () => {
    await service.meter({
      slug: 'seats',
      eventType: 'seats',
      aggregation: 'WEIGHTED_LATEST',
      valueProperty: '$.n',
      timeUnit: 'DAY',
      groupBy: { plan: '$.plan' },
    });
    const set = (subject: string, time: string, n: number, plan: string) =>
      event(subject, time, { n, plan }, { type: 'seats' });
    await service.pipeline.process(
      [
        set('acme', '2026-02-01T00:00:00Z', 10, 'pro'),
        set('acme', '2026-03-02T12:00:00Z', 20, 'pro'),
        // Said again: nothing changes.
        set('acme', '2026-03-03T00:00:00Z', 20, 'pro'),
        set('acme', '2026-03-02T00:00:00Z', 3, 'free'),
        set('zebra', '2026-03-01T12:00:00Z', 4, 'pro'),
        set('zebra', '2026-03-02T00:00:00Z', 0, 'pro'),
      ],
      arrivedMs,
    );
    await service.pipeline.backfill();
  });

  const range = 'from=2026-03-01T00:00:00Z&to=2026-03-31T00:00:00Z&windowSize=DAY';
  const values = async (parameters: string) =>
    (await ask(`${range}&${parameters}`, 'seats')).map(({ subject, groupBy, value }) => [
      ...(subject === null ? [] : [subject]),
      ...Object.values(groupBy),
      value,
    ]);

  test('holds each value until the next of its subject and group, and adds them up', async () => {
    for (const stage of ['waiting', 'merged', 'days closed']) {
      if (stage === 'merged') await service.pipeline.aggregate(1);
      if (stage === 'days closed') await service.pipeline.closeDays(Date.parse(now));
      expect(await values('')).toEqual([[10 + 2], [15 + 3], [20 + 3], [11.5]]);
      expect(await values('groupBy=plan')).toEqual([
        ['pro', 12],
        ['free', 3],
        ['pro', 15],
        ['free', 3],
        ['pro', 20],
        ['free', 1.5],
        ['pro', 10],
      ]);
      expect(await values('subject=zebra')).toEqual([
        ['zebra', 2],
        ['zebra', 0],
      ]);
      expect(await values('filterGroupBy[plan]=free')).toEqual([[3], [3], [1.5]]);
    }
  });

  test('rolls, and keeps the largest groups', async () => {
    const last = 'from=2026-03-03T00:00:00Z&to=2026-03-04T00:00:00Z&windowSize=DAY&rollingWindow=P2D';
    expect(await ask(last, 'seats')).toMatchObject([{ value: 18 + 23 }]);
    const top = await ask('from=2026-03-02T00:00:00Z&groupBy=plan&topN=1', 'seats');
    expect(top.map(({ other = false, value }) => [other, value])).toEqual([
      [false, 45],
      [true, 7.5],
    ]);
  });
});
