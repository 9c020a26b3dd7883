import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Executor } from '@usage/db/connection/connect.ts';
import { usageSnapshot } from '@usage/db/usage/sql/snapshot.ts';
import { event, openQueryTest, type QueryTest } from './app.ts';

let query: QueryTest;
const arrivedMs = Date.parse('2025-03-02T00:00:00Z');

beforeAll(async () => {
  query = await openQueryTest();
  await query.meter({ slug: 'tokens' });
  await query.meter({ slug: 'requests', aggregation: 'COUNT' });
  await query.meter({ slug: 'average', aggregation: 'AVG' });
  await query.meter({ slug: 'models', aggregation: 'UNIQUE_COUNT', valueProperty: '$.model' });
  await query.meter({ slug: 'late', eventFromUs: Date.parse('2025-03-01T10:00:30Z') * 1_000 });
  await query.pipeline.process(
    [
      event('acme', '2025-03-01T10:00:10Z', { tokens: 10, model: 'gpt-4o', type: 'input' }),
      event('acme', '2025-03-01T10:00:40.000001Z', { tokens: '0.1', model: 'gpt-4o', type: 'output' }),
      event('acme', '2025-03-01T11:30:00Z', { tokens: 0.2, model: 'o3' }),
      event('zebra', '2025-03-01T12:00:00Z', '{"tokens": 12345678901234567890, "model": "o3"}'),
      event('zebra', '2025-03-02T00:00:00Z', { tokens: 'many', model: '=SUM(A1)' }),
      event('=cmd', '2025-03-02T01:00:00Z', { tokens: -5, model: 'a "b", c' }),
    ],
    arrivedMs,
  );
  await query.sql`INSERT INTO subjects (id, namespace, key, display_name) VALUES ('1', 'default', 'acme', '@Acme, Inc.')`;
}, 60_000);
afterAll(() => query.close());

interface Row {
  value: number;
  windowStart: string;
  windowEnd: string;
  subject: string | null;
  groupBy: Record<string, string>;
}
const json = async (path: string): Promise<unknown> => (await query.get(path)).json();
const rowsOf = async (path: string) => ((await json(path)) as { data: Row[] }).data;
const values = async (path: string) => (await rowsOf(path)).map((row) => row.value);

describe('a query', () => {
  test('without windows has one row, its bounds rounded outward to the minute', async () => {
    expect(await json('/api/v1/meters/tokens/query?to=2025-03-01T12:00:00Z')).toEqual({
      to: '2025-03-01T12:00:00Z',
      data: [
        {
          value: 10.3,
          windowStart: '2025-03-01T10:00:00Z',
          windowEnd: '2025-03-01T11:31:00Z',
          subject: null,
          groupBy: {},
        },
      ],
    });
  });

  test('has no row where there is no event', async () => {
    expect(await json('/api/v1/meters/tokens/query?from=2030-01-01T00:00:00Z&windowSize=DAY')).toEqual({
      from: '2030-01-01T00:00:00Z',
      windowSize: 'DAY',
      data: [],
    });
    expect(await json('/api/v1/meters/tokens/query?from=2030-01-01T00:00:00Z')).toMatchObject({ data: [] });
  });

  test('says the exact value where a number can not', async () => {
    const data = await rowsOf('/api/v1/meters/tokens/query?subject=zebra');
    expect(data).toMatchObject([{ value: 12345678901234567000, valueExact: '12345678901234567890' }]);
  });

  test('by windows and groups is ordered by start, subject and group values', async () => {
    const data = await rowsOf(
      '/api/v1/meters/tokens/query?windowSize=DAY&groupBy=subject&groupBy=model,type',
    );
    const rows = data.map((row) => [row.windowStart, row.subject, row.groupBy]);
    expect(rows).toEqual([
      ['2025-03-01T00:00:00Z', 'acme', { model: 'gpt-4o', type: 'input' }],
      ['2025-03-01T00:00:00Z', 'acme', { model: 'gpt-4o', type: 'output' }],
      ['2025-03-01T00:00:00Z', 'acme', { model: 'o3', type: '' }],
      ['2025-03-01T00:00:00Z', 'zebra', { model: 'o3', type: '' }],
      ['2025-03-02T00:00:00Z', '=cmd', { model: 'a "b", c', type: '' }],
    ]);
  });

  test('of the largest groups has the others as one row a window', async () => {
    const path = '/api/v1/meters/tokens/query?groupBy=model&windowSize=DAY&topN=1';
    const rows = (await rowsOf(path)) as (Row & { other?: boolean })[];
    const all = await rowsOf('/api/v1/meters/tokens/query?groupBy=model&windowSize=DAY');
    expect(rows.map(({ groupBy, other = false }) => [groupBy.model, other])).toEqual([
      ['o3', false],
      [undefined, true],
      [undefined, true],
    ]);
    const sum = (of: Row[]) => of.reduce((total, { value }) => total + value, 0);
    expect(sum(rows)).toBe(sum(all));
    const csv = await query.get(`${path}`, { Accept: 'text/csv' });
    expect(await csv.text()).toContain('model,other,value');
  });

  test('by billing periods begins at the anchor', async () => {
    const path =
      '/api/v1/meters/tokens/query?windowSize=MONTH&windowTimeZone=Europe/Berlin&windowAnchor=2025-01-31T06:00';
    const starts = (await rowsOf(path)).map((row) => [row.windowStart, row.windowEnd]);
    expect(new Set(starts.flat())).toEqual(new Set(['2025-02-28T05:00:00Z', '2025-03-31T04:00:00Z']));
  });

  test('cuts at the microsecond', async () => {
    expect(
      await values('/api/v1/meters/requests/query?from=2025-03-01T10:00:40.000001Z&to=2025-03-01T11:00:00Z'),
    ).toEqual([1]);
    expect(
      await values('/api/v1/meters/requests/query?from=2025-03-01T10:00:40.000002Z&to=2025-03-01T11:00:00Z'),
    ).toEqual([]);
  });

  test("leaves out what was before the meter's eventFrom", async () => {
    expect(await values('/api/v1/meters/late/query?to=2025-03-01T12:00:00Z')).toEqual([0.3]);
  });

  test('divides exactly, to 19 digits', async () => {
    const data = await rowsOf('/api/v1/meters/average/query?to=2025-03-01T12:00:00Z');
    expect(data).toMatchObject([{ valueExact: '3.4333333333333333333' }]);
  });

  test('filters by groups, in both ways', async () => {
    expect(await values('/api/v1/meters/tokens/query?filterGroupBy[model]=gpt-4o')).toEqual([10.1]);
    expect(
      await values('/api/v1/meters/tokens/query?filterGroupBy[model]=gpt-4o&filterGroupBy[type]=output'),
    ).toEqual([0.1]);
    for (const [filter, expected] of [
      [{ model: { $like: 'gpt%' } }, [10.1]],
      [{ model: { $nin: ['o3', 'gpt-4o'] } }, [-5]],
      [{ type: { $eq: '' }, model: { $ilike: 'O_' } }, [12345678901234567000]],
      [{ model: { $or: [{ $eq: 'nothing' }, { $and: [{ $gte: 'g' }, { $lt: 'h' }] }] } }, [10.1]],
    ] as const) {
      const encoded = encodeURIComponent(JSON.stringify(filter));
      expect(await values(`/api/v1/meters/tokens/query?advancedMeterGroupByFilters=${encoded}`)).toEqual([
        ...expected,
      ]);
    }
  });

  test('by POST is the same', async () => {
    const response = await query.post('/api/v1/meters/tokens/query', {
      subject: ['acme', 'nobody'],
      groupBy: ['model'],
      filterGroupBy: { model: ['gpt-4o', 'o3'] },
      windowSize: 'HOUR',
      windowTimeZone: 'Asia/Kolkata',
    });
    const { data } = (await response.json()) as { data: unknown[] };
    expect(data).toEqual([
      {
        value: 10.1,
        windowStart: '2025-03-01T09:30:00Z',
        windowEnd: '2025-03-01T10:30:00Z',
        subject: 'acme',
        groupBy: { model: 'gpt-4o' },
      },
      {
        value: 0.2,
        windowStart: '2025-03-01T11:30:00Z',
        windowEnd: '2025-03-01T12:30:00Z',
        subject: 'acme',
        groupBy: { model: 'o3' },
      },
    ]);
  });

  test('tells nothing of freshness without Redis, and answers', async () => {
    const response = await query.get('/api/v1/meters/tokens/query');
    expect(response.status).toBe(200);
    expect(response.headers.get('usage-as-of')).toBeNull();
  });
});

describe('a table', () => {
  test('has the exact values, quoted texts and no formulas', async () => {
    const response = await query.get('/api/v1/meters/tokens/query?groupBy=subject&groupBy=model', {
      Accept: 'text/csv',
    });
    expect(response.headers.get('content-type')).toStartWith('text/csv');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="tokens.csv"');
    expect(await response.text()).toBe(
      [
        'window_start,window_end,subject,subject_display_name,model,value',
        `2025-03-01T10:00:00Z,2025-03-01T10:01:00Z,acme,"'@Acme, Inc.",gpt-4o,10.1`,
        `2025-03-01T11:30:00Z,2025-03-01T11:31:00Z,acme,"'@Acme, Inc.",o3,0.2`,
        `2025-03-01T12:00:00Z,2025-03-01T12:01:00Z,zebra,,o3,12345678901234567890`,
        `2025-03-02T01:00:00Z,2025-03-02T01:01:00Z,'=cmd,,"a ""b"", c",-5`,
        '',
      ].join('\r\n'),
    );
  });

  test('of all subjects has no subject column', async () => {
    const response = await query.get('/api/v1/meters/models/query', {
      Accept: 'text/csv, application/json;q=0.5',
    });
    expect((await response.text()).split('\r\n')[0]).toBe('window_start,window_end,value');
  });
});

describe('subjects and group values', () => {
  test('of all time, sorted', async () => {
    expect(await json('/api/v1/meters/tokens/subjects')).toEqual(['=cmd', 'acme', 'zebra']);
  });

  test('of a range', async () => {
    expect(
      await json('/api/v1/meters/tokens/subjects?from=2025-03-01T11:30:00Z&to=2025-03-01T12:00:00Z'),
    ).toEqual(['acme']);
    expect(await json('/api/v1/meters/tokens/group-by/model/values?from=2025-03-01T11:30:00Z')).toEqual([
      'a "b", c',
      'o3',
    ]);
  });

  test('of the last day where no range is given', async () => {
    await query.pipeline.process(
      [event('now', new Date().toISOString(), { tokens: 1, model: 'new' })],
      arrivedMs,
    );
    expect(await json('/api/v1/meters/tokens/group-by/model/values')).toEqual(['new']);
  });
});

describe('a wrong query is a 400 that says what is wrong', () => {
  for (const [parameters, detail] of [
    ['from=2025-01-01T00:00:00Z&to=2025-01-01T00:00:00Z', 'from and to cannot be equal'],
    ['from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z', 'from must be before to'],
    ['from=yesterday', 'expected an RFC 3339 time'],
    ['windowSize=FORTNIGHT', 'must be one of MINUTE, PT5M,'],
    ['windowSize=HOUR&windowAnchor=2025-01-31', 'windows of an hour have no anchor'],
    ['windowAnchor=2025-01-31', 'needs a windowSize'],
    ['topN=3', 'needs a groupBy'],
    ['topN=0&groupBy=model', 'topN'],
    ['percentile=95', 'tokens is a SUM; of windows, name their size in percentileWindow'],
    ['percentileWindow=PT5M&from=2025-01-01T00:00:00Z', 'needs percentile'],
    ['percentileWindow=PT5M&percentile=95', 'needs from'],
    [
      'percentileWindow=HOUR&percentile=95&windowSize=HOUR&from=2025-01-01T00:00:00Z',
      'must be shorter than windowSize',
    ],
    ['rollingWindow=P30D&from=2025-01-01T00:00:00Z', 'needs a windowSize'],
    ['rollingWindow=P1M&windowSize=DAY&from=2025-01-01T00:00:00Z', 'such as PT24H or P30D'],
    [
      'rollingWindow=P1D&windowSize=MINUTE&from=2025-01-01T00:00:00Z&to=2025-01-08T00:00:00Z',
      'more than 5000',
    ],
    ['rollingWindow=P1D&windowSize=DAY&groupBy=model&topN=1&from=2025-01-01T00:00:00Z', 'together with topN'],
    ['percentile=0', 'must be a number above 0, at most 100, of at most 3 decimals'],
    ['percentile=99.9999', 'of at most 3 decimals'],
    ['windowSize=MONTH&windowAnchor=2025-02-30', 'is no anchor: expected a local date'],
    ['windowTimeZone=Mars/Olympus', 'unknown time zone "Mars/Olympus"'],
    ['groupBy=city', 'invalid group by: city'],
    ['filterGroupBy[city]=x', 'invalid group by filter: city'],
    ['filterGroupBy[__proto__]=x', 'invalid group by filter: __proto__'],
    ['advancedMeterGroupByFilters={"city":{"$eq":"x"}}', 'meter does not have group by: city'],
    ['advancedMeterGroupByFilters={"model":{"$regex":"x"}}', 'unknown operator "$regex"'],
    ['advancedMeterGroupByFilters={"model":', 'must be JSON'],
    ['filterGroupBy[model]=a&advancedMeterGroupByFilters={"model":{"$eq":"x"}}', 'cannot be used together'],
    ['from=2025-01-01T00:00:00Z&from=2025-01-02T00:00:00Z', 'is given more than once'],
    ['filterCustomerId=x', 'names customers that are not there: x'],
    ['groupBy=customer_id', 'needs filterCustomerId'],
    ['clientId=', 'must be a text of 1 to 36 characters'],
    ['subject=%00', 'must be texts'],
  ] as const) {
    test(parameters, async () => {
      const response = await query.get(`/api/v1/meters/tokens/query?${parameters}`);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const problem = (await response.json()) as { detail: string };
      expect(problem).toMatchObject({ status: 400 });
      expect(problem.detail).toContain(detail);
    });
  }

  test('a body that is no object', async () => {
    for (const body of [
      '[]',
      '"x"',
      'null',
      '{"subject":"x"}',
      '{"groupBy":[1]}',
      '{"filterGroupBy":[]}',
      '{',
      '',
    ]) {
      expect((await query.post('/api/v1/meters/tokens/query', body)).status).toBe(400);
    }
  });

  test('windows without end', async () => {
    const response = await query.get('/api/v1/meters/tokens/query?windowSize=MINUTE&to=2199-01-01T00:00:00Z');
    expect(response.status).toBe(400);
    expect(((await response.json()) as { detail: string }).detail).toContain('more than 50000');
  });

  test('a group that the meter does not have', async () => {
    expect((await query.get('/api/v1/meters/tokens/group-by/city/values')).status).toBe(400);
  });

  test('a meter that is not there is a 404', async () => {
    for (const name of ['nothing', '%00', 'a%20b', '..%2f', 'x'.repeat(500)]) {
      expect((await query.get(`/api/v1/meters/${name}/query`)).status).toBe(404);
    }
  });
});

test('what a snapshot waits for is there before it is taken', async () => {
  const before = Promise.withResolvers<void>();
  const stored = async (tx: Executor) =>
    (await tx<{ id: string }[]>`SELECT id FROM events WHERE type = 'before'`).length;
  const counted = usageSnapshot(query.sql, 5_000, before.promise, stored);
  await query.pipeline.process([event('x', '2025-03-01T00:00:00Z', {}, { type: 'before' })], arrivedMs);
  expect(await stored(query.sql)).toBe(1);
  before.resolve();
  expect(await counted).toBe(1);
});

test('a query that takes too long is a 503 that says what to do', async () => {
  const blocked = await openQueryTest(undefined, { queryMsMax: 100 });
  await blocked.meter({ slug: 'tokens' });
  try {
    await blocked.sql.begin(async (tx) => {
      await tx`LOCK TABLE deltas IN ACCESS EXCLUSIVE MODE`;
      const response = await blocked.get('/api/v1/meters/tokens/query');
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('5');
      expect(((await response.json()) as { detail: string }).detail).toContain('took longer than 100 ms');
    });
  } finally {
    await blocked.close();
  }
}, 60_000);

test('a minute whose events are gone is not divided, and said so', async () => {
  await query.meter({ slug: 'gone', eventType: 'gone' });
  const moment = '2024-01-01T00:00';
  const two = [`${moment}:10Z`, `${moment}:50Z`].map((time) =>
    event('x', time, { tokens: 1 }, { type: 'gone' }),
  );
  await query.pipeline.backfill();
  await query.pipeline.process(two, arrivedMs);
  await query.pipeline.aggregate(1);
  const divided = `/api/v1/meters/gone/query?from=${moment}:30Z`;
  expect(await values(divided)).toEqual([1]);
  await query.sql`DELETE FROM events WHERE type = 'gone'`;
  const response = await query.get(divided);
  expect(response.status).toBe(400);
  expect(((await response.json()) as { detail: string }).detail).toContain('no longer kept');
  expect(await values(`/api/v1/meters/gone/query?from=${moment}:00Z`)).toEqual([2]);
  expect(await values(`/api/v1/meters/gone/query?from=${moment}:05Z`)).toEqual([2]);
});
