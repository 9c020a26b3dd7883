import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { aggregations } from '@usage/lib/meter/meter.ts';
import { event, openQueryTest, type QueryTest } from './app.ts';

/** Windows that overlap: each answers what a plain query over it does, whatever the aggregation. */
const arrivedMs = Date.parse('2024-11-05T00:00:00Z');
let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest(undefined, {}, () => Date.parse('2024-11-06T00:00:00Z'));
  for (const aggregation of aggregations)
    await service.meter({ slug: aggregation.toLowerCase(), aggregation, groupBy: { model: '$.model' } });
  // Every 17 minutes, around the night in which Los Angeles sets its clocks back at 09:00 UTC.
  const texts = Array.from({ length: 300 }, (_, i) =>
    event(`customer-${i % 3}`, new Date(Date.parse('2024-11-02T00:00:00Z') + i * 17 * 60_000).toISOString(), {
      tokens: (i * 7_919) % 101,
      model: i % 2 === 0 ? 'large' : 'small',
    }),
  );
  await service.pipeline.process(texts, arrivedMs);
  await service.pipeline.backfill();
  await service.pipeline.aggregate(0.5);
}, 60_000);
afterAll(() => service.close());

interface Row {
  value: number;
  valueExact?: string;
  windowStart: string;
  windowEnd: string;
  groupBy: Record<string, string>;
}

async function ask(slug: string, parameters: string): Promise<Row[]> {
  const response = await service.get(`/api/v1/meters/${slug}/query?${parameters}`);
  if (response.status !== 200) throw new Error(await response.text());
  return ((await response.json()) as { data: Row[] }).data;
}

const steps = 'from=2024-11-03T07:00:00Z&to=2024-11-03T11:10:00Z&windowSize=PT30M';

describe('rolling windows', () => {
  test.each([...aggregations])('of a %s are what plain queries answer', async (aggregation) => {
    const slug = aggregation.toLowerCase();
    const rows = await ask(
      slug,
      `${steps}&rollingWindow=P1D&windowTimeZone=America/Los_Angeles&groupBy=model`,
    );
    expect(rows.length).toBe(2 * 9);
    for (const { windowStart, windowEnd, groupBy, value } of rows) {
      const range = `from=${windowStart}&to=${windowEnd}&filterGroupBy[model]=${groupBy.model}&groupBy=model`;
      expect(await ask(slug, range)).toMatchObject([{ value }]);
    }
  });

  test('of days begin at the same local time, those of hours so many hours before; the last ends at `to`', async () => {
    const bounds = async (length: string) => {
      const zone = 'windowTimeZone=America/Los_Angeles';
      const rows = await ask('sum', `${steps}&rollingWindow=${length}&${zone}`);
      return rows.map(({ windowStart, windowEnd }) => [windowStart.slice(5, 16), windowEnd.slice(5, 16)]);
    };
    const days = await bounds('P1D');
    expect(days).toContainEqual(['11-02T08:30', '11-03T08:30']);
    // 01:30 is shown a second time.
    expect(days).toContainEqual(['11-02T08:30', '11-03T09:30']);
    expect(days.at(-1)).toEqual(['11-02T10:10', '11-03T11:10']);
    expect(await bounds('PT24H')).toContainEqual(['11-02T09:30', '11-03T09:30']);
  });
});
