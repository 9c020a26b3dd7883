import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { duck } from '../export/duck.ts';
import { startImportTest } from './run.ts';

/** Parquet as DuckDB writes it, and as `bun run export` does: the same numbers come out. */
let importing: Awaited<ReturnType<typeof startImportTest>>;
let files = 0;

beforeAll(async () => {
  importing = await startImportTest();
});
afterAll(() => importing.stop());

/** The rows of a SELECT, in a file of its own. */
async function parquet(select: string, options = ''): Promise<string> {
  const folder = join(importing.folder, `parquet-${files++}`);
  await mkdir(folder);
  const path = join(folder, 'usage.parquet');
  await duck(`COPY (${select}) TO '${path}' (FORMAT parquet${options})`);
  return path;
}

const mapped = (type: string) => ['--type', type, '--subject-column', 'customer', '--time-column', 'at'];

describe('a table', () => {
  test.each(['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli'])(
    'packed with %s counts exactly, and once',
    async (codec) => {
      const type = `packed_${codec}`;
      await importing.meter(type);
      const file = await parquet(
        `SELECT 'c' || (n % 3) AS customer, TIMESTAMPTZ '2026-11-01 10:00:00+00' + INTERVAL (n) SECOND AS at,
              (n / 10.0)::DECIMAL(38, 12) AS tokens FROM range(5000) rows(n)`,
        `, COMPRESSION ${codec}, ROW_GROUP_SIZE 2048`,
      );
      expect(await importing.run(file, ...mapped(type))).toMatchObject({ code: 0 });
      expect((await importing.run(file, ...mapped(type))).text).toContain('0 events sent');
      const rows = await importing.usage(type, 'groupBy=subject');
      const [sums] = await duck(`SELECT sum(tokens)::DOUBLE AS sum FROM '${file}'`);
      expect(rows.reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(Number(sums!.sum), 6);
      expect(rows).toHaveLength(3);
    },
  );

  test('keeps every digit of every type', async () => {
    const file = await parquet(`
      SELECT 'c' AS customer, TIMESTAMP '2026-11-01 10:00:00.123456' AS at, 9007199254740993::BIGINT AS big,
             123456789012345678901234.000000000001::DECIMAL(38, 12) AS decimal, -0.05::DECIMAL(9, 2) AS small,
             0.1::FLOAT AS float, 0.1::DOUBLE AS double, 18446744073709551615::UBIGINT AS unsigned, true AS yes,
             NULL::INTEGER AS nothing, DATE '2026-11-02' AS day, 'groß' AS text, {'a': 1, 'b': ['x']} AS nested,
             '{"deep": 12345678901234567890}'::JSON AS json, TIMESTAMP_NS '2026-11-01 10:00:00.123456789' AS fine`);
    const { text } = await importing.run(
      file,
      ...mapped('digits'),
      '--time-zone',
      'Europe/Berlin',
      '--dry-run',
    );
    const event = text.split('\n')[0]!;
    expect(event).toContain('"time":"2026-11-01T10:00:00.123456+01:00"');
    expect(event).toContain(
      '"data":{"big":9007199254740993,"decimal":123456789012345678901234.000000000001,"small":-0.05,"float":0.1,' +
        '"double":0.1,"unsigned":18446744073709551615,"yes":true,"nothing":null,"day":"2026-11-02","text":"groß",' +
        '"nested":{"a":1,"b":["x"]},"json":{"deep":12345678901234567890},"fine":"2026-11-01T10:00:00.123456789',
    );
  });

  test('refuses rows with their numbers, and says what to do about a file', async () => {
    const rows = `SELECT * FROM (VALUES ('c', TIMESTAMPTZ '2026-11-01 10:00:00+00', 1.0::DOUBLE),
      (NULL, TIMESTAMPTZ '2026-11-01 10:00:00+00', 2), ('c', TIMESTAMPTZ '2026-11-01 10:00:00+00', 'NaN')) t(customer, "at", tokens)`;
    const file = await parquet(rows);
    const refused = await importing.run(file, ...mapped('refused'));
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.text).toContain('line 2: subject is empty');
    expect(refused.text).toContain('line 3: column "tokens": NaN');
    expect((await importing.run(file)).text).toContain('say with --type');
    expect((await importing.run(file, ...mapped('t'), '--delimiter', ';')).code).toBe(2);
    const nested = await parquet(`SELECT 'c' AS customer, now() AS at, [1.5::DECIMAL(9, 2)] AS list`);
    expect((await importing.run(nested, ...mapped('nested'))).text).toContain('decimals inside a list');
    const torn = await importing.file('torn.parquet', (await Bun.file(file).bytes()).slice(0, 200));
    expect((await importing.run(torn, ...mapped('torn'))).text).toContain("can't be read as Parquet");
  });
});

test('what an export wrote counts the same in another system', async () => {
  await importing.meter('exported', { groupBy: { model: '$.model' } });
  const columns = `'default' AS namespace, 'e' || n AS id, 'app' AS source, 'exported' AS type, 's' || (n % 2) AS subject,
    TIMESTAMPTZ '2026-11-01 10:00:00+00' AS time, now() AS ingested_at,
    '{"tokens": "' || n || '.000000000000000001", "model": "m"}' AS data, '{"tier": "gold"}' AS attributes`;
  const file = await parquet(`SELECT ${columns} FROM range(100) rows(n)`);
  expect(await importing.run(file)).toMatchObject({ code: 0 });
  const rows = await importing.usage('exported', 'groupBy=subject&groupBy=model');
  expect(rows.map(({ value, subject, groupBy }) => [value, subject, groupBy.model])).toEqual([
    [2450, 's0', 'm'],
    [2500, 's1', 'm'],
  ]);
  const response = await fetch(`${importing.apps.url}/api/v1/events?subject=s1&from=2026-11-01T00:00:00Z`);
  expect(await response.json()).toContainEqual(
    expect.objectContaining({ event: expect.objectContaining({ id: 'e7', source: 'app', tier: 'gold' }) }),
  );
});
