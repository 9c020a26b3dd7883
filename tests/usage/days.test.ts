import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeDays, generationsToClose } from '@usage/aggregator/days.ts';
import { tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import { aggregations, keepsTexts } from '@usage/lib/meter/meter.ts';
import { event, openQueryTest, type QueryTest } from '../query/app.ts';

const arrivedMs = Date.parse('2026-03-20T00:00:00Z');
const at = (text: string) => Date.parse(text);

let service: QueryTest;
beforeAll(async () => {
  service = await openQueryTest();
}, 60_000);
afterAll(() => service.close());

/** A meter of its own event type, and a way to store and merge events of it: pairs of time and value. */
async function meterWith(aggregation: (typeof aggregations)[number] = 'SUM') {
  const meter = await service.meterOfItsOwn(aggregation);
  const store = async (...events: [time: string, value: string, subject?: string][]) => {
    const texts = events.map(([time, value, subject = 'acme']) =>
      event(subject, time, `{"tokens":${value}}`, { type: meter.eventType }),
    );
    await service.pipeline.process(texts, arrivedMs);
    await service.pipeline.aggregate(1);
  };
  return { meter, store };
}

async function dayRows(generation: bigint) {
  const rows = await service.sql<{ subject: string; start: string; count: bigint; value: string | null }[]>`
    SELECT subject, start::date::text AS start, count, value FROM rollup_days JOIN series ON id = series_id
    WHERE build = ${generation} ORDER BY subject, start`;
  return rows.filter(({ subject }) => subject !== '').map((row) => `${row.start} ${row.count} ${row.value}`);
}

async function mark(generation: bigint) {
  const [row] = await service.sql<{ before: string }[]>`
    SELECT before::text FROM rollup_days_closed WHERE build = ${generation}`;
  return row?.before;
}

describe('closing days', () => {
  test('a day is closed three hours after its end and not before', async () => {
    const { meter, store } = await meterWith();
    await store(
      ['2026-03-01T05:00:00Z', '1'],
      ['2026-03-01T23:59:59.999999Z', '2'],
      ['2026-03-02T00:00:00Z', '4'],
    );
    await closeDays(service.sql, meter.generation, at('2026-03-02T02:59:59Z'));
    expect(await dayRows(meter.generation)).toEqual([]);
    await closeDays(service.sql, meter.generation, at('2026-03-02T03:00:00Z'));
    expect(await dayRows(meter.generation)).toEqual(['2026-03-01 2 3']);
    expect(await mark(meter.generation)).toBe('2026-03-02 00:00:00+00');
  });

  test('late events are added to days that are closed and to no others', async () => {
    const { meter, store } = await meterWith();
    await store(['2026-03-01T05:00:00Z', '1']);
    await closeDays(service.sql, meter.generation, at('2026-03-03T12:00:00Z'));
    await store(
      ['2026-02-10T07:00:00Z', '10'],
      ['2026-03-01T06:00:00Z', '2'],
      ['2026-03-02T06:00:00Z', '3', 'new'],
      ['2026-03-03T00:00:00Z', '4'],
    );
    expect(await dayRows(meter.generation)).toEqual(['2026-02-10 1 10', '2026-03-01 2 3', '2026-03-02 1 3']);
  });

  test('goes on where it stopped, over days without events, and never back', async () => {
    const { meter, store } = await meterWith();
    await store(['2026-01-01T00:00:00Z', '1'], ['2026-01-02T00:00:00Z', '2'], ['2026-02-20T12:00:00Z', '3']);
    const now = at('2026-03-10T12:00:00Z');
    const oneSeries = { rowsMax: 1, seriesMax: 1 };
    let days = 0;
    while ((await generationsToClose(service.sql, now)).includes(meter.generation))
      days += (await closeDays(service.sql, meter.generation, now, oneSeries))!;
    expect(days).toBe(3);
    expect(await dayRows(meter.generation)).toEqual(['2026-01-01 1 1', '2026-01-02 1 2', '2026-02-20 1 3']);
    expect(await mark(meter.generation)).toBe('2026-03-10 00:00:00+00');
    expect(await closeDays(service.sql, meter.generation, at('2026-02-01T12:00:00Z'))).toBe(0);
    expect(await mark(meter.generation)).toBe('2026-03-10 00:00:00+00');
  });

  test('is left to the aggregator that is at the generation already', async () => {
    const { meter, store } = await meterWith();
    await store(['2026-03-01T05:00:00Z', '1']);
    await service.sql.begin(async (tx) => {
      expect(await tryLockGeneration(tx, meter.generation)).toBe(true);
      expect(await closeDays(service.sql, meter.generation, at('2026-03-05T12:00:00Z'))).toBeUndefined();
    });
    expect(await mark(meter.generation)).toBeUndefined();
  });

  test('a meter in backfill waits until all its batches are in', async () => {
    const { meter } = await meterWith();
    await service.sql`UPDATE meters SET backfilled_at = NULL WHERE build = ${meter.generation}`;
    expect(await generationsToClose(service.sql, at('2026-03-05T12:00:00Z'))).not.toContain(meter.generation);
    await service.sql`UPDATE meters SET backfilled_at = now() WHERE build = ${meter.generation}`;
  });

  test('values of as many digits as are accepted fit into a day', async () => {
    const { meter, store } = await meterWith();
    const [large, fine] = [`${'7'.repeat(300)}.5`, `0.${'3'.repeat(980)}e-400`];
    await store(['2026-03-01T05:00:00Z', large], ['2026-03-01T06:00:00Z', `"${fine}"`]);
    await closeDays(service.sql, meter.generation, at('2026-03-05T12:00:00Z'));
    await store(['2026-03-01T07:00:00Z', `1e-400`]);
    const [row] = await dayRows(meter.generation);
    expect(row?.slice(0, 20)).toBe('2026-03-01 3 7777777');
    expect(row?.length).toBeGreaterThan(1_690);
    const answer = await service.post(`/api/v1/meters/${meter.slug}/query`, {});
    const { data } = (await answer.json()) as { data: { valueExact: string }[] };
    expect(`2026-03-01 3 ${data[0]?.valueExact}`).toBe(row!);
  });
});

test.each([...aggregations])(
  'after closing and late events, days of %s are what the hours add up to',
  async (aggregation) => {
    const { meter, store } = await meterWith(aggregation);
    const times = (minutes: number[]) =>
      minutes.map((minute): [string, string, string] => [
        new Date(at('2026-03-01T00:00:00Z') + minute * 60_000).toISOString(),
        String((minute * 7_919) % 23),
        `subject ${minute % 3}`,
      ]);
    await store(...times([0, 61, 1_439, 1_440, 1_441, 2_000, 2_881, 4_400]));
    await service.pipeline.closeDays(at('2026-03-03T12:00:00Z'));
    await store(...times([1, 60, 1_438, 1_500, 2_879, 2_880, 4_399]));
    await service.pipeline.closeDays(at('2026-03-04T12:00:00Z'));
    await store(...times([30, 3_000, 4_380]));
    expect(await wrongDays(meter.generation, aggregation)).toEqual({ days: 8, wrong: 0, missing: 0 });
    if (keepsTexts(aggregation)) expect(await wrongUniques(meter.generation)).toBe(0);
  },
);

test.each([...aggregations])(
  'while days of %s are half made, late events count once in the hours and in the days',
  async (aggregation) => {
    const { meter, store } = await meterWith(aggregation);
    const subjects = Array.from({ length: 7 }, (_, n) => `subject ${n}`);
    const events = (time: string, first: number) =>
      subjects.map((subject, n): [string, string, string] => [time, String(first + n), subject]);
    await store(...events('2026-03-01T05:00:00Z', 1), ...events('2026-03-01T06:00:00Z', 1));
    const now = at('2026-03-02T12:00:00Z');
    for (let pieces = 0; (await generationsToClose(service.sql, now)).includes(meter.generation); pieces++) {
      expect(pieces).toBeLessThan(100);
      await closeDays(service.sql, meter.generation, now, { rowsMax: 3, seriesMax: 2 });
      if (pieces % 2 === 0)
        await store(...events(`2026-03-01T0${pieces % 7}:30:00Z`, 100 * pieces), [
          '2026-03-01T07:00:00Z',
          String(pieces),
          `new ${pieces}`,
        ]);
    }
    const { wrong, missing } = await wrongDays(meter.generation, aggregation);
    expect({ wrong, missing }).toEqual({ wrong: 0, missing: 0 });
    if (keepsTexts(aggregation)) expect(await wrongUniques(meter.generation)).toBe(0);
  },
);

/** Day rows before the mark against the hours, in SQL of the test's own. */
async function wrongDays(generation: bigint, aggregation: string) {
  const latest = service.sql`(SELECT l.value FROM rollup_hours l WHERE l.series_id = h.series_id AND l.start = max(h.start))`;
  const value = {
    SUM: service.sql`sum(value)`,
    AVG: service.sql`sum(value)`,
    WEIGHTED_SUM: service.sql`sum(value)`,
    MIN: service.sql`min(value)`,
    MAX: service.sql`max(value)`,
    WEIGHTED_LATEST: latest,
    LATEST: latest,
  }[aggregation];
  const [row] = await service.sql<{ days: number; wrong: number; missing: number }[]>`
    WITH mine AS (SELECT id FROM series WHERE build = ${generation} AND subject <> ''),
    wanted AS (
      SELECT series_id, start::date AS day, min(first_at) AS first_at, max(last_at) AS last_at, sum(count) AS count,
             ${value ?? service.sql`NULL::numeric`} AS value,
             sum(moment) AS moment,
             (SELECT jsonb_object_agg(bin, n) FROM (
               SELECT b.key AS bin, sum(b.value::int) AS n FROM rollup_hours l, jsonb_each_text(l.sketch) b
               WHERE l.series_id = h.series_id AND l.start::date = min(h.start)::date GROUP BY b.key) bins) AS sketch
      FROM rollup_hours h WHERE series_id IN (SELECT id FROM mine)
        AND start < (SELECT before FROM rollup_days_closed WHERE build = ${generation})
      GROUP BY series_id, start::date
    )
    SELECT count(d.start)::int AS days,
           count(*) FILTER (WHERE (w.first_at, w.last_at, w.count) <> (d.first_at, d.last_at, d.count)
                               OR (w.value, w.moment, w.sketch) IS DISTINCT FROM (d.value, d.moment, d.sketch))::int AS wrong,
           count(*) FILTER (WHERE w.day IS NULL OR d.start IS NULL)::int AS missing
    FROM wanted w FULL JOIN (SELECT * FROM rollup_days WHERE series_id IN (SELECT id FROM mine)) d
      ON d.series_id = w.series_id AND d.start::date = w.day`;
  return row!;
}

async function wrongUniques(generation: bigint): Promise<number> {
  const rows = await service.sql`
    WITH mine AS (SELECT id FROM series WHERE build = ${generation}),
    wanted AS (
      SELECT DISTINCT series_id, start::date AS day, value FROM unique_hours
      WHERE series_id IN (SELECT id FROM mine) AND start < (SELECT before FROM rollup_days_closed WHERE build = ${generation})
    ),
    found AS (SELECT series_id, start::date AS day, value FROM unique_days WHERE series_id IN (SELECT id FROM mine))
    (SELECT * FROM wanted EXCEPT SELECT * FROM found) UNION ALL (SELECT * FROM found EXCEPT SELECT * FROM wanted)`;
  return rows.length;
}
