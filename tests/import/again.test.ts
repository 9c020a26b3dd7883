import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect } from '@usage/db/connection/connect.ts';
import { dropOldPartitions } from '@usage/db/schema/storagePolicies.ts';
import { startImportTest } from './run.ts';

/** Running an import again changes nothing, however much later; where nobody can tell, it asks. */
type Import = Awaited<ReturnType<typeof startImportTest>>;
let importing: Import;

beforeAll(async () => {
  importing = await startImportTest();
});
afterAll(() => importing.stop());

const head = 'customer,time,tokens\n';
const row = (customer: string, tokens: number) => `${customer},2026-11-01T10:00:00Z,${tokens}\n`;
const mapped = (type: string) => ['--type', type, '--subject-column', 'customer'];
const timed = (type: string) => [...mapped(type), '--time-column', 'time'];
const total = async (type: string) => (await importing.usage(type))[0]?.value;

/** Moves everything that is stored to periods before, so that no window of arrivals knows it any more. */
async function ageByWeeks(weeks: number): Promise<void> {
  const sql = connect({
    url: importing.apps.database.url,
    name: 'age',
    connectionsMax: 1,
    statementMsMax: 30_000,
  });
  const days = weeks * 7;
  try {
    await sql.begin(async (tx) => {
      await tx`CREATE TEMPORARY TABLE aged ON COMMIT DROP AS SELECT * FROM events`;
      await tx`DELETE FROM events`;
      await tx`UPDATE aged SET period = period - ${days}::int, ingested_at = ingested_at - make_interval(days => ${days})`;
      await tx`SELECT open_period(period) FROM (SELECT DISTINCT period FROM aged) p`;
      await tx`INSERT INTO events SELECT * FROM aged`;
      await tx`UPDATE batches SET arrived_from = arrived_from - make_interval(days => ${days}),
                                  arrived_to = arrived_to - make_interval(days => ${days})`;
    });
  } finally {
    await sql.end();
  }
}

describe('a second run', () => {
  test('changes nothing weeks later, when the window of duplicates is long over', async () => {
    await importing.meter('again');
    const file = await importing.file('usage.csv', head + row('acme', 5) + row('acme', 5) + row('beta', 7));
    expect((await importing.run(file, ...timed('again'))).text).toContain('3 events sent');
    expect(await total('again')).toBe(17);
    await ageByWeeks(3);
    const again = await importing.run(file, ...timed('again'));
    expect(again).toMatchObject({
      code: 0,
      text: expect.stringMatching(/3 of 3 events are stored already.*\n0 events sent/),
    });
    expect(await total('again')).toBe(17);
  });

  test('sends only the rows that were added, and finds rows again that are read by other options', async () => {
    await importing.meter('grown');
    const first = await importing.file('usage.csv', head + row('acme', 5));
    await importing.run(first, ...timed('grown'));
    expect(await total('grown')).toBe(5);
    await ageByWeeks(2);
    const grown = await importing.file('usage.csv', head + row('acme', 5) + row('acme', 5) + row('acme', 1));
    const again = await importing.run(grown, ...timed('grown'), '--number', 'tokens', '--batch', '1');
    expect(again).toMatchObject({ code: 0, text: expect.stringContaining('2 events sent in 2 requests') });
    expect(await total('grown')).toBe(11);
  });

  test('goes on where a run was killed', async () => {
    await importing.meter('killed');
    const rows = Array.from({ length: 5_000 }, (_, index) => row('acme', index)).join('');
    const file = await importing.file('killed.csv', head + rows);
    await importing.killed('killed', file, ...timed('killed'), '--batch', '1');
    const before = (await total('killed'))!;
    expect(before).toBeLessThan(12_497_500);
    expect((await importing.run(file, ...timed('killed'))).code).toBe(0);
    expect(await total('killed')).toBe(12_497_500);
  });

  test('under another name of the file asks which it is', async () => {
    await importing.meter('renamed');
    const content = head + row('acme', 5);
    await importing.run(await importing.file('usage.csv', content), ...timed('renamed'));
    expect(await total('renamed')).toBe(5);
    const copy = await importing.file('usage (1).csv', content);
    const asked = await importing.run(copy, ...timed('renamed'));
    expect(asked).toMatchObject({ code: 1, text: expect.stringContaining('--source "usage.csv"') });
    const same = await importing.run(copy, ...timed('renamed'), '--source', 'usage.csv');
    expect(same).toMatchObject({ code: 0, text: expect.stringContaining('0 events sent') });
    const other = await importing.run(copy, ...timed('renamed'), '--source', 'server-2');
    expect(other).toMatchObject({ code: 0, text: expect.stringContaining('1 events sent') });
    expect(await total('renamed')).toBe(10);
  });

  test('of rows without a time asks whether it is the same file', async () => {
    await importing.meter('timeless');
    const file = await importing.file('monthly.csv', 'customer,tokens\nacme,100\n');
    await importing.run(file, ...mapped('timeless'));
    expect(await total('timeless')).toBe(100);
    expect((await importing.run(file, ...mapped('timeless'))).text).toContain('0 events sent');
    const next = await importing.file('monthly.csv', 'customer,tokens\nacme,100\nbeta,1\n');
    expect(await importing.run(next, ...mapped('timeless'))).toMatchObject({
      code: 1,
      text: expect.stringContaining('--resume'),
    });
    expect((await importing.run(next, ...mapped('timeless'), '--resume')).text).toContain('1 events sent');
    expect(await total('timeless')).toBe(101);
  });

  test('by an id column counts each id once, and refuses one id for two events', async () => {
    await importing.meter('ids');
    const columns = 'id,customer,time,tokens\n';
    const line = (id: string, tokens: number) => `${id},${row('acme', tokens)}`;
    const file = await importing.file(
      'ids.csv',
      columns + line('row-1', 5) + line('row-1', 5) + line('row-2', 7),
    );
    const first = await importing.run(file, ...timed('ids'), '--id-column', 'id');
    expect(first).toMatchObject({ code: 0, text: expect.stringContaining('1 row repeat an id') });
    expect(await total('ids')).toBe(12);
    const contradicting = await importing.file('ids.csv', columns + line('row-1', 5) + line('row-1', 6));
    expect(await importing.run(contradicting, ...timed('ids'), '--id-column', 'id')).toMatchObject({
      code: 1,
      text: expect.stringContaining('line 3: the id "row-1" stands for two different events'),
    });
  });
});

describe('options', () => {
  test.each([
    [['--batch', '0'], '--batch 0'],
    [['--batch', 'abc'], '--batch abc'],
    [['--batch', '1.5'], '--batch 1.5'],
    [['--batch', '10001'], '--batch 10001'],
    [['--url', 'localhost'], '--url'],
    [['--delimiter', 'ab'], '--delimiter'],
    [['--time-zone', 'Mars/Base'], '--time-zone'],
    [['--header-line', '0'], '--header-line'],
    [['--decimal', ','], '--number'],
    [['--data', '=x'], '--data'],
    [['--number', 'a', '--text', 'a'], 'both'],
    [['--totals', 'no'], '--totals'],
    [['--whatever'], '--whatever'],
    [['--type', 'x', '--type-column', 'y'], '--type'],
    [[], '--type'],
  ])('%p is refused', async (options, named) => {
    const file = await importing.file('usage.csv', head + row('acme', 1));
    const result = await importing.run(
      file,
      '--subject',
      's',
      ...(named.startsWith('--type') ? [] : ['--type', 't']),
      ...options,
    );
    expect(result).toMatchObject({ code: 2, text: expect.stringContaining(named) });
  });

  test('a dry run shows the first rows as events, counts and sums, and sends nothing', async () => {
    await importing.meter('dry');
    const file = await importing.file('usage.csv', head + row('acme', 5) + row('beta', 0.5));
    const result = await importing.run(file, ...timed('dry'), '--dry-run');
    expect(result).toMatchObject({ code: 0 });
    const [first, second, ...rest] = result.text.split('\n');
    expect([first, second].map((line) => JSON.parse(line!))).toMatchObject([
      {
        type: 'dry',
        subject: 'acme',
        source: 'usage.csv',
        time: '2026-11-01T10:00:00Z',
        data: { tokens: '5' },
      },
      { subject: 'beta', data: { tokens: '0.5' } },
    ]);
    expect(rest).toContain('2 events; utf-8, columns by ","');
    expect(rest).toContain('sum of tokens: 5.5');
    expect(await total('dry')).toBeUndefined();
  });

  test('events of JSON and NDJSON are checked as a whole before one is sent', async () => {
    await importing.meter('json');
    const event = (id: string, more = {}) => ({
      specversion: '1.0',
      id,
      type: 'json',
      subject: 's',
      data: { tokens: 1 },
      ...more,
    });
    const lines = [event('a'), event('b', { subject: '' }), event('c')]
      .map((one) => `${JSON.stringify(one)}\n`)
      .join('');
    const ndjson = await importing.file('e.ndjson', lines);
    expect(await importing.run(ndjson)).toMatchObject({
      code: 1,
      text: expect.stringContaining('line 2: subject'),
    });
    expect(await total('json')).toBeUndefined();
    expect(await importing.run(ndjson, '--skip-invalid')).toMatchObject({ code: 3 });
    expect(await total('json')).toBe(2);
    const json = await importing.file(
      'e.json',
      JSON.stringify([event('d'), event('d', { data: { tokens: 2 } })]),
    );
    expect(await importing.run(json)).toMatchObject({
      code: 1,
      text: expect.stringContaining('two different events'),
    });
  });
});

describe('a retention', () => {
  test('after a retention asks, and takes the word that it is the first', async () => {
    await importing.meter('retained');
    const sql = connect({
      url: importing.apps.database.url,
      name: 'drop',
      connectionsMax: 1,
      statementMsMax: 30_000,
    });
    await ageByWeeks(2);
    if (importing.apps.database.timescale)
      await sql`SELECT drop_chunks('events', older_than => date_trunc('week', now())::date)`;
    else await dropOldPartitions(sql, 0);
    await sql.end();
    const file = await importing.file('retained.csv', `${head}acme,2020-01-01T00:00:00Z,5\n`);
    const asked = await importing.run(file, ...timed('retained'));
    expect(asked).toMatchObject({ code: 1, text: expect.stringContaining('--first-import') });
    expect((await importing.run(file, ...timed('retained'), '--first-import')).code).toBe(0);
    expect(await total('retained')).toBe(5);
  });
});
