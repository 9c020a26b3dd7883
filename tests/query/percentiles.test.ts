import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { event, openQueryTest, type QueryTest } from './app.ts';

/** Percentiles as clients ask for them; that they are right at every stage is tests/usage.property.test.ts. */
const arrivedMs = Date.parse('2026-03-20T00:00:00Z');
let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest();
  await service.meter({
    slug: 'latency',
    eventType: 'request',
    aggregation: 'PERCENTILE',
    valueProperty: '$.ms',
    groupBy: { route: '$.route' },
  });
  // /fast takes 1 to 1,000 ms, /slow 1 to 10 s, /odd nothing or less.
  const requests = Array.from({ length: 1_000 }, (_, i) => [
    ['/fast', i + 1],
    ['/slow', 10 * (i + 1)],
    ['/odd', i < 500 ? 0 : -i],
  ]).flat();
  const texts = requests.map(([route, ms], i) =>
    event(
      `customer-${i % 7}`,
      `2026-03-01T00:${String(Math.floor(i / 3) % 60).padStart(2, '0')}:00Z`,
      { route, ms },
      { type: 'request' },
    ),
  );
  await service.pipeline.process(texts, arrivedMs);
  await service.pipeline.backfill();
}, 60_000);
afterAll(() => service.close());

interface Row {
  value: number;
  groupBy: Record<string, string>;
  other?: boolean;
}

async function ask(parameters: string): Promise<[route: string, value: number][]> {
  const response = await service.get(`/api/v1/meters/latency/query?${parameters}`);
  expect(response.status).toBe(200);
  const { data } = (await response.json()) as { data: Row[] };
  return data.map(({ value, groupBy, other }) => [other ? 'other' : (groupBy.route ?? ''), value]);
}

/** Whether all values are within 1 % of these. */
function expectNear(found: [string, number][], exact: [string, number][]): void {
  expect(found.map(([route]) => route)).toEqual(exact.map(([route]) => route));
  for (const [i, [, value]] of found.entries())
    expect(Math.abs(value - exact[i]![1])).toBeLessThanOrEqual(0.01 * Math.abs(exact[i]![1]));
}

describe('a PERCENTILE meter', () => {
  test.each([
    [
      'groupBy=route',
      [
        ['/fast', 500],
        ['/odd', -500],
        ['/slow', 5_000],
      ],
    ],
    [
      'groupBy=route&percentile=75',
      [
        ['/fast', 750],
        ['/odd', 0],
        ['/slow', 7_500],
      ],
    ],
    [
      'groupBy=route&percentile=99.9',
      [
        ['/fast', 999],
        ['/odd', 0],
        ['/slow', 9_990],
      ],
    ],
    [
      'groupBy=route&percentile=100',
      [
        ['/fast', 1_000],
        ['/odd', 0],
        ['/slow', 10_000],
      ],
    ],
    ['percentile=0.001', [['', -999]]],
    // The two others together: 2,000 values, half of them at most 0.
    [
      'groupBy=route&topN=1&percentile=95',
      [
        ['/slow', 9_500],
        ['other', 900],
      ],
    ],
  ] as [string, [string, number][]][])(
    'answers %s before and after it is rolled up',
    async (parameters, exact) => {
      expectNear(await ask(parameters), exact);
      await service.pipeline.aggregate(1);
      expectNear(await ask(parameters), exact);
    },
  );

  test('answers the same by POST, and a table', async () => {
    const body = { groupBy: ['route'], percentile: 99.9, filterGroupBy: { route: '/slow' } };
    const response = await service.post('/api/v1/meters/latency/query', body, { Accept: 'text/csv' });
    const [, line = ''] = (await response.text()).split('\r\n');
    expectNear([['/slow', Number(line.split(',').at(-1))]], [['/slow', 9_990]]);
  });
});

describe('percentiles of windows', () => {
  const megabytes = (minutes: number, mb: number) =>
    event(
      'acme',
      new Date(Date.parse('2026-03-02T00:00:00Z') + minutes * 60_000).toISOString(),
      { mb },
      { type: 'traffic' },
    );

  test('are exact: 95 % of the five-minute sums of a day are not above them, those without events included', async () => {
    await service.meter({ slug: 'traffic', eventType: 'traffic', valueProperty: '$.mb', groupBy: {} });
    await service.meter({ slug: 'requests', eventType: 'traffic', aggregation: 'COUNT', groupBy: {} });
    // Twenty windows with two events each, of 1.1, 2.1, … 20.1 MB together, in a day of 288.
    const texts = Array.from({ length: 20 }, (_, i) => [
      megabytes(60 + 5 * i, i + 0.1),
      megabytes(60 + 5 * i + 4, 1),
    ]).flat();
    await service.pipeline.process(texts, arrivedMs);
    await service.pipeline.backfill();
    const day = 'from=2026-03-02T00:00:00Z&to=2026-03-04T00:00:00Z&percentileWindow=PT5M';
    const values = async (slug: string, parameters: string) => {
      const response = await service.get(`/api/v1/meters/${slug}/query?${day}&${parameters}`);
      const { data } = (await response.json()) as {
        data: (Row & { windowStart: string; windowEnd: string })[];
      };
      return data.map(({ value, windowStart, windowEnd }) => [
        value,
        windowStart.slice(8, 10),
        windowEnd.slice(8, 10),
      ]);
    };
    // Rank 274 of 288, of which 268 are zeros; of two days 548 of 576, of which 556 are.
    expect(await values('traffic', 'percentile=95&windowSize=DAY')).toEqual([[6.1, '02', '03']]);
    expect(await values('traffic', 'percentile=95')).toEqual([[0, '02', '04']]);
    expect(await values('traffic', 'percentile=99')).toEqual([[15.1, '02', '04']]);
    expect(await values('requests', 'percentile=95&windowSize=DAY')).toEqual([[2, '02', '03']]);
  });

  test('are for what adds up alone', async () => {
    const response = await service.get(
      '/api/v1/meters/latency/query?percentile=95&percentileWindow=PT5M&from=2026-03-02T00:00:00Z',
    );
    expect(await response.json()).toMatchObject({
      status: 400,
      detail: expect.stringContaining('is for SUM and COUNT meters, and latency is a PERCENTILE'),
    });
  });
});
