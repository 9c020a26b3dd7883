import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duck } from '../export/duck.ts';
import { event, openQueryTest, type QueryTest } from './app.ts';

/** How answers come: formats, filters on values, page by page. */
let query: QueryTest;
const arrivedMs = Date.parse('2025-03-03T00:00:00Z');
const path = '/api/v1/meters/tokens/query';
const grouped = `${path}?groupBy=subject,model&windowSize=HOUR&from=2025-03-01T00:00:00Z&to=2025-03-03T00:00:00Z`;

beforeAll(async () => {
  query = await openQueryTest();
  await query.meter({ slug: 'tokens', groupBy: { model: '$.model', value: '$.type' } });
  const send = (subject: string, hour: number, tokens: string, model: string) =>
    event(
      subject,
      `2025-03-01T${String(hour).padStart(2, '0')}:00:10Z`,
      `{"tokens": ${tokens}, "model": "${model}"}`,
    );
  await query.pipeline.process(
    [
      ...[1, 2, 3].flatMap((hour) => ['a', 'b'].map((model) => send('acme', hour, `${hour}.1`, model))),
      send('Ünïcode, q', 2, '12345678901234567890.5', 'a'),
      send('zebra', 3, '-7', '=1+1'),
    ],
    arrivedMs,
  );
}, 60_000);
afterAll(() => query.close());

interface Row {
  value: number;
  valueExact?: string;
  windowStart: string;
  subject: string | null;
  groupBy: Record<string, string>;
}
interface Answered {
  data: Row[];
  nextCursor?: string;
  detail?: string;
}
const json = async (url: string) => (await (await query.get(url)).json()) as Answered;

describe('formats', () => {
  test('NDJSON has the rows of JSON, one a line', async () => {
    const response = await query.get(grouped, { Accept: 'application/x-ndjson' });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual((await json(grouped)).data);
    expect(lines).toHaveLength(8);
  });

  test('Parquet has the rows of JSON, as DuckDB reads them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'answers-'));
    try {
      const read = async (url: string) => {
        const response = await query.get(url, { Accept: 'application/vnd.apache.parquet' });
        expect(response.headers.get('content-type')).toBe('application/vnd.apache.parquet');
        const file = join(folder, 'answer.parquet');
        await Bun.write(file, await response.arrayBuffer());
        return await duck(`SELECT * REPLACE (epoch_us(window_start) AS window_start) FROM '${file}'`);
      };
      const expected = (await json(grouped)).data.map(
        ({ value, valueExact, windowStart, subject, groupBy }) => ({
          window_start: String(Date.parse(windowStart) * 1_000),
          ...{ subject, model: groupBy.model, value, value_exact: valueExact ?? String(value) },
        }),
      );
      const rows = await read(grouped);
      expect(rows.map(({ window_end: _end, ...row }) => row) as unknown[]).toEqual(expected);
      // A group that is called like another column; the row of all others.
      const [row] = await read(`${path}?groupBy=value&topN=1`);
      expect(row).toMatchObject({ group_value: '', other: false });
      expect(await read(`${path}?from=2030-01-01T00:00:00Z`)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('the format that is asked for most is the one that is answered', async () => {
    for (const [accept, type] of [
      ['application/x-ndjson, application/json', 'application/x-ndjson'],
      ['application/x-ndjson;q=0.5, application/json', 'application/json'],
      ['text/csv;q=0.8, application/vnd.apache.parquet', 'application/vnd.apache.parquet'],
      ['application/x-ndjson;q=0, */*', 'application/json'],
      ['image/png', 'application/json'],
    ] as const)
      expect([accept, (await query.get(path, { Accept: accept })).headers.get('content-type')]).toEqual([
        accept,
        type,
      ]);
  });
});

describe('filters on values', () => {
  test('compare exactly, after aggregation', async () => {
    const subjects = async (filter: string) =>
      (await json(`${path}?groupBy=subject&${filter}`)).data.map(({ subject }) => subject);
    expect(await subjects('valueGte=12.6')).toEqual(['acme', 'Ünïcode, q'].sort());
    expect(await subjects('valueGt=12.6')).toEqual(['Ünïcode, q']);
    expect(await subjects('valueGte=12345678901234567890.5')).toEqual(['Ünïcode, q']);
    expect(await subjects('valueGt=12345678901234567890.5')).toEqual([]);
    expect(await subjects('valueLt=0')).toEqual(['zebra']);
    expect(await subjects('valueLte=-7&valueGte=-7')).toEqual(['zebra']);
    const body = { groupBy: ['subject'], valueGt: '12.6', valueLte: 1e30 };
    const posted = (await (await query.post(path, body)).json()) as Answered;
    expect(posted.data.map(({ subject }) => subject)).toEqual(['Ünïcode, q']);
  });

  test('that are no numbers are refused by name', async () => {
    for (const value of ['', 'many', '1e999', '0x10', '1,5', `1${'0'.repeat(100)}`]) {
      const response = await query.get(`${path}?valueGte=${value}`);
      expect([value, response.status]).toEqual([value, 400]);
      expect(((await response.json()) as Answered).detail).toContain('valueGte must be a decimal number');
    }
    expect((await query.post(path, { valueLt: [1] })).status).toBe(400);
  });
});

describe('pages', () => {
  /** All rows, page by page; `between` is done after each page. */
  async function pages(url: string, limit: number, between = async () => {}): Promise<Row[]> {
    const rows: Row[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const response = await query.get(`${url}&limit=${limit}${cursor && `&cursor=${cursor}`}`);
      const { data, nextCursor } = (await response.json()) as Answered;
      expect(response.headers.get('usage-next-cursor') ?? undefined).toBe(nextCursor);
      expect(data.length).toBeLessThanOrEqual(limit);
      rows.push(...data);
      cursor = nextCursor;
      await between();
    }
    return rows;
  }

  test('together are the answer, of any length, with windows and without, and with filters', async () => {
    const whole = (await json(grouped)).data;
    for (let limit = 1; limit <= whole.length + 1; limit++)
      expect(await pages(grouped, limit)).toEqual(whole);
    const bySubject = (rows: Row[]) => rows.toSorted((a, b) => (a.subject! < b.subject! ? -1 : 1));
    const total = `${path}?groupBy=subject`;
    expect(await pages(total, 1)).toEqual(bySubject((await json(total)).data));
    const filtered = `${grouped}&valueGt=0&subject=acme`;
    expect(await pages(filtered, 2)).toEqual((await json(filtered)).data);
  });

  test('neither leave out a row nor repeat one, whatever is stored meanwhile', async () => {
    for (const url of [grouped, `${path}?groupBy=subject,model`]) {
      const placeOf = ({ windowStart, subject, groupBy }: Row) =>
        JSON.stringify([url === grouped && windowStart, subject, groupBy]);
      const before = (await json(url)).data.map(placeOf);
      let sent = 0;
      const seen = await pages(url, 1, async () => {
        // Earlier than all others, and of a subject in the middle: rows change and new ones come on either side.
        const early = event(`m${sent++}`, '2025-03-01T00:30:00Z', { tokens: 1, model: 'a' });
        const own = event('acme', '2025-03-01T00:10:00Z', { tokens: 1, model: 'b' });
        await query.pipeline.process([early, own], arrivedMs);
        if (sent > 40) throw new Error('the pages do not end');
      });
      const places = seen.map(placeOf);
      expect(new Set(places).size).toBe(places.length);
      for (const place of before) expect(places).toContain(place);
    }
  });

  test('of another query, or made up, are refused', async () => {
    const { nextCursor } = await json(`${grouped}&limit=1`);
    for (const [url, words] of [
      [`${grouped}&limit=1&subject=acme&cursor=${nextCursor}`, 'for this query'],
      [`${path}?groupBy=subject&limit=1&cursor=${nextCursor}`, 'for this query'],
      [`${grouped}&limit=1&cursor=abc`, 'for this query'],
      [`${grouped}&cursor=${nextCursor}`, 'needs a limit'],
      [`${grouped}&limit=1&rollingWindow=P1D`, 'limit cannot be used together with rollingWindow'],
      [`${grouped}&limit=0`, 'limit must be a whole number from 1 to 100000'],
    ] as const) {
      const response = await query.get(url);
      expect([url, response.status]).toEqual([url, 400]);
      expect(((await response.json()) as Answered).detail).toContain(words);
    }
    expect((await json(`${grouped}&limit=3&cursor=${nextCursor}`)).data).toHaveLength(3);
  });

  test('lead through an answer that is too large as a whole', async () => {
    await query.meter({ slug: 'many', eventType: 'many', aggregation: 'COUNT', groupBy: {} });
    await query.pipeline.backfill();
    const subjects = 260;
    const from = Date.parse('2025-02-01T00:00:00Z');
    const minutes = 400;
    for (let minute = 0; minute < minutes; minute += 100)
      await query.pipeline.process(
        Array.from({ length: subjects * 100 }, (_, i) =>
          event(
            `s${i % subjects}`,
            new Date(from + (minute + Math.floor(i / subjects)) * 60_000).toISOString(),
            {},
            {
              type: 'many',
            },
          ),
        ),
        arrivedMs,
      );
    const url = `/api/v1/meters/many/query?groupBy=subject&windowSize=MINUTE&from=2025-02-01T00:00:00Z&to=2025-02-02T00:00:00Z`;
    expect((await query.get(url)).status).toBe(400);
    const rows = await pages(url, 40_000);
    expect(rows).toHaveLength(subjects * minutes);
    expect(new Set(rows.map(({ windowStart, subject }) => `${windowStart} ${subject}`)).size).toBe(
      rows.length,
    );
  }, 120_000);
});
