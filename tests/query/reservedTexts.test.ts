import { afterAll, beforeAll, expect, test } from 'bun:test';
import { event, openQueryTest, type QueryTest } from './app.ts';

/** Texts that the tables use to mark something are values like any other where a client sends them. */

const aggregations = ['SUM', 'COUNT', 'AVG', 'MIN', 'MAX', 'UNIQUE_COUNT', 'LATEST'] as const;
const long = 'x'.repeat(201);
const hashOfLong = `sha256:${new Bun.CryptoHasher('sha256').update(long).digest('hex')}`;
const arrivedMs = Date.parse('2025-03-02T00:00:00Z');

let query: QueryTest;
beforeAll(async () => {
  query = await openQueryTest();
  for (const aggregation of aggregations)
    await query.meter({ slug: aggregation.toLowerCase(), aggregation, groupBy: {} });
  await query.meter({ slug: 'names', aggregation: 'UNIQUE_COUNT', valueProperty: '$.name', groupBy: {} });
  await query.pipeline.backfill();
}, 60_000);
afterAll(() => query.close());

async function rows(response: Promise<Response>): Promise<number> {
  const { data } = (await (await response).json()) as { data: unknown[] };
  return data.length;
}

const stages = [
  ['in deltas', async () => {}],
  ['in rollups', () => query.pipeline.aggregate(1)],
] as const;
for (const [stage, prepare] of stages) {
  test(`the empty subject has no usage: ${stage}`, async () => {
    await query.pipeline.process(
      [
        event('acme', '2025-03-01T10:00:10Z', { tokens: 1 }),
        event('b', '2025-03-01T11:00:20Z', { tokens: 2 }),
      ],
      arrivedMs,
    );
    await prepare();
    for (const aggregation of aggregations) {
      const path = `/api/v1/meters/${aggregation.toLowerCase()}/query`;
      for (const range of ['', '&from=2025-03-01T10:00:05Z&to=2025-03-01T12:00:00Z', '&windowSize=HOUR']) {
        expect([aggregation, range, await rows(query.get(`${path}?subject=${range}`))]).toEqual([
          aggregation,
          range,
          0,
        ]);
        expect(await rows(query.get(`${path}?subject=&subject=acme${range}`))).toBe(1);
      }
      expect(await rows(query.post(path, { subject: [''] }))).toBe(0);
      const csv = await query.get(`${path}?subject=`, { Accept: 'text/csv' });
      expect((await csv.text()).trim().split(/\r?\n/)).toHaveLength(1);
      const v3 = `/api/v3/openmeter/meters/${aggregation.toLowerCase()}/query`;
      for (const subject of [{ eq: '' }, { in: [''] }])
        expect(await rows(query.post(v3, { filters: { dimensions: { subject } } }))).toBe(0);
    }
  });
}

test('a value that looks like the hash of a long one is another value', async () => {
  const named = (name: string) => event('acme', '2025-03-05T10:00:00Z', { name });
  await query.pipeline.process([named(long), named(hashOfLong)], arrivedMs);
  const distinct = async () => {
    const response = await query.get('/api/v1/meters/names/query?from=2025-03-05T00:00:00Z');
    return ((await response.json()) as { data: { value: number }[] }).data[0]?.value;
  };
  expect(await distinct()).toBe(2);
  await query.pipeline.aggregate(1);
  expect(await distinct()).toBe(2);
});
