import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startImportTest } from './run.ts';

/** What spreadsheets, databases and providers write: understood exactly, or refused with the line and what to do. */
type Import = Awaited<ReturnType<typeof startImportTest>>;
let importing: Import;
let types = 0;

beforeAll(async () => {
  importing = await startImportTest();
});
afterAll(() => importing.stop());

/** Imports a file of customers and tokens under a type of its own that a meter measures. */
async function tokens(content: string | Uint8Array, options: string[] = [], name = 'usage.csv') {
  const type = `tokens_${types++}`;
  await importing.meter(type);
  const file = await importing.file(name, content);
  const mapped = ['--type', type, '--subject-column', 'customer', '--time-column', 'time'];
  const result = await importing.run(file, ...(name.endsWith('.csv') ? mapped : []), ...options);
  const rows = await importing.usage(type, 'groupBy=subject&groupBy=subject');
  return { ...result, file, sums: Object.fromEntries(rows.map(({ subject, value }) => [subject, value])) };
}

const head = 'customer,time,tokens\n';
const at = '2026-11-01T10:00:00Z';

function expectRefused(result: { code: number; text: string; sums: object }, ...parts: string[]) {
  for (const part of parts) expect(result.text).toContain(part);
  expect({ code: result.code, sums: result.sums }).toEqual({ code: 1, sums: {} });
}

describe('encodings', () => {
  const umlauts = `${head}Müller,${at},100\nMöller,${at},200\n`;
  const latin = Buffer.from(umlauts, 'latin1');

  test('Windows-1252 is refused with its line and the option, and right with it', async () => {
    expectRefused(await tokens(latin), 'line 2', '--encoding windows-1252');
    expect(await tokens(latin, ['--encoding', 'windows-1252'])).toMatchObject({
      code: 0,
      sums: { Müller: 100, Möller: 200 },
    });
  });

  test('the line of a bad byte is right far down in a long file', async () => {
    const rows = `${head}${`acme,${at},1\n`.repeat(20_000)}`;
    const result = await tokens(
      Buffer.concat([Buffer.from(rows), Buffer.from(`M\xfcller,${at},1\n`, 'latin1')]),
    );
    expectRefused(result, 'line 20002');
  });

  test('byte order marks are understood: UTF-8, UTF-16 of both orders', async () => {
    const utf16 = Buffer.from(`\ufeff${umlauts}`, 'utf16le');
    for (const content of [`\ufeff${umlauts}`, utf16, Buffer.from(utf16).swap16()]) {
      expect(await tokens(content)).toMatchObject({ code: 0, sums: { Müller: 100, Möller: 200 } });
    }
  });

  test('UTF-16 without a byte order mark, a workbook and an unknown encoding are refused', async () => {
    expectRefused(await tokens(Buffer.from(umlauts, 'utf16le')), '--encoding utf-16le');
    expectRefused(await tokens(Buffer.from('PK\x03\x04rest')), 'Excel workbook');
    expectRefused(await tokens(umlauts, ['--encoding', 'utf-99']), '--encoding utf-99 is not known');
  });

  test('NDJSON with a byte order mark is read, and one that is not UTF-8 is refused', async () => {
    const type = 'ndjson_bom';
    await importing.meter(type);
    const event = {
      specversion: '1.0',
      id: '1',
      source: 's',
      type,
      subject: 'Müller',
      time: at,
      data: { tokens: 7 },
    };
    const line = `${JSON.stringify(event)}\n`;
    const file = await importing.file('events.ndjson', `\ufeff${line}`);
    expect((await importing.run(file)).code).toBe(0);
    expect((await importing.usage(type))[0]!.value).toBe(7);
    const refused = await importing.run(
      await importing.file('events.ndjson', Buffer.from(`\n${line}`, 'latin1')),
    );
    expect(refused).toMatchObject({ code: 1, text: expect.stringContaining('line 2') });
  });
});

test('JSON in which an object names a member twice is refused, as a column of that name is', async () => {
  const line = '{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"a","data":{"n":1,"n":2}}';
  const twice = 'two members named "n"';
  const lines = await importing.run(await importing.file('events.ndjson', line));
  expect(lines).toMatchObject({ code: 1, text: expect.stringContaining(`line 1: has ${twice}`) });
  const whole = await importing.run(await importing.file('events.json', `[${line}]`));
  expect(whole).toMatchObject({ code: 1, text: expect.stringContaining(twice) });
});

describe('columns', () => {
  test('semicolons, tabs, bars and a line "sep=;" are detected', async () => {
    for (const sign of [';', '\t', '|']) {
      const content = `${head}acme,${at},15\nacme,${at},25\n`.replaceAll(',', sign);
      expect(await tokens(content)).toMatchObject({ code: 0, sums: { acme: 40 } });
    }
    expect(await tokens(`sep=;\ncustomer;time;tokens\nacme;${at};15\n`)).toMatchObject({
      code: 0,
      sums: { acme: 15 },
    });
  });

  test('a delimiter in doubt is refused, and taken when it is said', async () => {
    const content = `customer;time;tokens,model\nacme;${at};15,large\n`;
    expectRefused(await tokens(content), '--delimiter');
    const file = await importing.file('usage.csv', content);
    const preview = await importing.run(
      file,
      '--type',
      'x',
      '--subject',
      'y',
      '--delimiter',
      ';',
      '--dry-run',
    );
    expect(preview.text).toContain('columns by ";"');
  });

  test('two columns of one name are refused', async () => {
    expectRefused(
      await tokens(`customer,time,tokens,model,tokens\nacme,${at},1000,large,7\n`),
      'line 1',
      'two columns are named "tokens" (3 and 5)',
    );
  });

  test('a preamble is refused with the line of the header, and right with it', async () => {
    const content = `Usage report,acme\nPeriod,2026-11\n\n${head}acme,${at},100\n`;
    expectRefused(await tokens(content), 'line 1', '--header-line 4');
    expect(await tokens(content, ['--header-line', '4'])).toMatchObject({ code: 0, sums: { acme: 100 } });
  });

  test('ragged rows are refused, each with its line; the others are sent when that is asked for', async () => {
    const content = `${head}acme,${at},1\nacme,${at},4,extra\nacme,${at}\n`;
    expectRefused(await tokens(content), 'line 3: the row has 4 cells', 'line 4: the row has 2 cells');
    const report = `${importing.folder}/refused.csv`;
    const some = await tokens(content, ['--skip-invalid', '--report', report]);
    expect(some).toMatchObject({ code: 3, sums: { acme: 1 } });
    expect((await Bun.file(report).text()).split('\n').slice(0, 3)).toEqual([
      'line,reason',
      expect.stringMatching(/^3,/),
      expect.stringMatching(/^4,/),
    ]);
  });

  test('a stray quote is refused with its line, whatever newlines cells hold before it', async () => {
    const content = `customer,time,tokens,prompt\nacme,${at},1,"line one\r\nline ""two"", more"\nacme,${at},2,24" monitor\nacme,${at},4,ok\n`;
    expectRefused(await tokens(content), 'line 4', '--stray-quotes keep');
    expect(await tokens(content, ['--stray-quotes', 'keep'])).toMatchObject({ code: 0, sums: { acme: 7 } });
    expectRefused(await tokens(`${head}acme,${at},1\n"acme,${at},2\nacme,${at},4\n`), 'line 3', 'quote');
    expectRefused(
      await tokens(`${head}"acme,${at},2\n"beta",${at},4\n`, ['--stray-quotes', 'keep']),
      'line 2',
      'something follows the quote that ends a cell',
    );
  });

  test('a row of totals is refused, left out or kept', async () => {
    const content = `${head}acme,${at},100\nbeta,${at},200\nTotal,${at},300\n`;
    expectRefused(await tokens(content), 'line 4', '--totals');
    expect(await tokens(content, ['--totals', 'skip'])).toMatchObject({
      code: 0,
      sums: { acme: 100, beta: 200 },
    });
    expect((await tokens(content, ['--totals', 'keep'])).sums).toEqual({ acme: 100, beta: 200, Total: 300 });
    expectRefused(await tokens(`${head}acme,${at},100\nSumme,,100\n`), 'line 3');
  });

  test('a bucket without a customer is refused, rows of delimiters alone are left out', async () => {
    expectRefused(await tokens(`${head}acme,${at},120\n,${at},\n`), 'line 3: subject is empty');
    expect(await tokens(`${head}acme,${at},120\n,,\n`)).toMatchObject({ code: 0, sums: { acme: 120 } });
  });

  test('a subject that differs by what nobody sees is refused', async () => {
    for (const name of ['"acme\u00a0"', '\u200bacme', 'M\ufffdller'])
      expectRefused(await tokens(`${head}${name},${at},1\n`), 'line 2');
  });
});

describe('numbers and texts', () => {
  test('cells go as texts: versions and keys that look like numbers stay apart', async () => {
    await importing.meter('versions', {
      aggregation: 'COUNT',
      valueProperty: undefined,
      groupBy: { version: '$.version' },
    });
    await importing.meter('keys', {
      eventType: 'versions',
      aggregation: 'UNIQUE_COUNT',
      valueProperty: '$.api_key',
    });
    const rows = ['1.1,12e3', '1.10,1.2e4', '1.100,12000', '01.1,12000.0', '1,81e7'];
    const file = await importing.file(
      'u.csv',
      `customer,time,version,api_key\n${rows.map((row) => `acme,${at},${row}\n`).join('')}`,
    );
    const mapped = ['--type', 'versions', '--subject-column', 'customer', '--time-column', 'time'];
    expect((await importing.run(file, ...mapped)).code).toBe(0);
    const groups = await importing.usage('versions', 'groupBy=version');
    expect(groups.map(({ groupBy, value }) => [groupBy.version, value]).sort()).toEqual([
      ['01.1', 1],
      ['1', 1],
      ['1.1', 1],
      ['1.10', 1],
      ['1.100', 1],
    ]);
    expect((await importing.usage('keys'))[0]!.value).toBe(5);
  });

  test('a decimal comma is refused until it is said which columns hold numbers', async () => {
    const content = `customer;time;tokens\nacme;${at};1,5\nbeta;${at};2,5\n`;
    expectRefused(await tokens(content), 'line 2', '--number "tokens"');
    expect(await tokens(content, ['--number', 'tokens', '--decimal', ','])).toMatchObject({
      code: 0,
      sums: { acme: 1.5, beta: 2.5 },
    });
  });

  test('1.234 between semicolons may be a thousand: refused until it is said', async () => {
    const content = `customer;time;tokens\nacme;${at};1.234\n`;
    expectRefused(await tokens(content), 'line 2');
    const german = ['--number', 'tokens', '--decimal', ','];
    expectRefused(await tokens(content, german), 'line 2');
    expect((await tokens(content, [...german, '--thousands', '.'])).sums).toEqual({ acme: 1_234 });
    expect((await tokens(content, ['--number', 'tokens'])).sums).toEqual({ acme: 1.234 });
  });

  test('thousands and currency are refused cell by cell, and right with their options', async () => {
    const cells = ['"1,234"', '766', '"12,345.50"', '$5', '(7)'];
    const content = head + cells.map((cell) => `acme,${at},${cell}\n`).join('');
    expectRefused(await tokens(content), 'line 2', 'line 4', 'line 5', 'line 6');
    const options = ['--number', 'tokens', '--thousands', ',', '--currency'];
    expectRefused(await tokens(content, options), 'line 6: column "tokens": "(7)"');
    const some = await tokens(content, [...options, '--skip-invalid']);
    expect(some).toMatchObject({ code: 3, sums: { acme: 14_350.5 } });
    const blanks = `${head}acme,${at},1 000\nacme,${at},1\u202f000\nacme,${at},1 00\n`;
    const grouped = await tokens(blanks, ['--number', 'tokens', '--thousands', ' ', '--skip-invalid']);
    expect(grouped).toMatchObject({
      code: 3,
      sums: { acme: 2_000 },
      text: expect.stringContaining('line 4'),
    });
  });

  test('every digit arrives, signs and exponents too', async () => {
    const content = `${head}acme,${at},0.1\nacme,${at},0.2\nacme,${at},12345678901234567890\nacme,${at},+1e2\nacme,${at},-00.5\n`;
    const type = `tokens_${types}`;
    expect((await tokens(content, ['--number', 'tokens'])).code).toBe(0);
    const rows = (await importing.usage(type)) as { valueExact?: string }[];
    expect(rows[0]!.valueExact).toBe('12345678901234567989.8');
  });

  test("what a meter can't measure is counted and said before anything is sent", async () => {
    const content = `${head}acme,${at},5\nacme,${at},n/a\nacme,${at},\n`;
    expectRefused(await tokens(content), '2 events', 'line 3', 'line 4', '--allow-uncounted');
    const sent = await tokens(content, ['--allow-uncounted']);
    expect(sent).toMatchObject({
      code: 3,
      sums: { acme: 5 },
      text: expect.stringContaining('2 events will not count'),
    });
  });
});

describe('times', () => {
  /** The UTC minutes in which the file's events count, each row with a value of its own. */
  async function minutes(cells: string[], options: string[] = []) {
    const type = `tokens_${types}`;
    const result = await tokens(
      head + cells.map((cell, index) => `acme,"${cell}",${2 ** index}\n`).join(''),
      options,
    );
    const rows = result.code === 1 ? [] : await importing.usage(type, 'windowSize=MINUTE');
    return {
      ...result,
      windows: rows.map(({ windowStart, value }) => `${windowStart.slice(0, 16)} ${value}`),
    };
  }

  test('as PostgreSQL, BigQuery, Go, OpenAI and Excel write them', async () => {
    const cells = [
      '2026-11-01 10:00:00+00',
      '2026-11-01 10:00:00.745232+02',
      '2026-11-01 10:00:00 UTC',
      '2026-11-01 10:00:00 +0000 UTC',
      '2026-11-01 10:00:00.123456789 +0100 CET m=+0.012',
      '2026-11-01T00:01:00+00:00',
      '2026-11-01T10:00:00',
      '2026-11-01 10:00',
      '2026-11-01 10:00:00.0000000 +05:30',
    ];
    const { code, windows, text } = await minutes(cells);
    expect({ code, windows }).toEqual({
      code: 0,
      windows: [
        '2026-11-01T00:01 32',
        '2026-11-01T04:30 256',
        '2026-11-01T08:00 2',
        '2026-11-01T09:00 16',
        `2026-11-01T10:00 ${1 + 4 + 8 + 64 + 128}`,
      ],
    });
    expect(text).toContain('2 times without an offset, read in UTC');
  });

  test('seconds, ms, µs and ns since 1970, and days', async () => {
    const cells = ['1761523200', '1761523200000', '1761523200000000', '1761523200000000000', '1761523200.5'];
    expect((await minutes([...cells, '2025-10-27'])).windows).toEqual(['2025-10-27T00:00 63']);
    expect((await minutes(['1761523260'])).windows).toEqual(['2025-10-27T00:01 1']);
  });

  test('times without an offset in a time zone; those that the clock leaves out or shows twice are refused', async () => {
    const berlin = ['--time-zone', 'Europe/Berlin'];
    const winter = await minutes(['2026-12-01 00:30:00', '2026-12-01 00:30:00Z'], berlin);
    expect(winter.windows).toEqual(['2026-11-30T23:30 1', '2026-12-01T00:30 2']);
    expect((await minutes(['2026-07-01 00:30:00'], berlin)).windows).toEqual(['2026-06-30T22:30 1']);
    expectRefused(await minutes(['2026-03-29 02:30:00'], berlin), 'line 2', 'write its offset');
    expectRefused(await minutes(['2026-10-25 02:30:00'], berlin), 'line 2', 'write its offset');
  });

  test('day or month first is refused until it is said', async () => {
    expectRefused(await minutes(['11/01/2026 1:05:00 PM']), 'line 2', '--date-order');
    expect((await minutes(['11/01/2026 1:05:00 PM'], ['--date-order', 'mdy'])).windows).toEqual([
      '2026-11-01T13:05 1',
    ]);
    expect((await minutes(['01.11.2026 13:05'], ['--date-order', 'dmy'])).windows).toEqual([
      '2026-11-01T13:05 1',
    ]);
    expectRefused(await minutes(['13/13/2026'], ['--date-order', 'dmy']), 'line 2');
  });

  test.each([
    '46327.4167',
    '20261101',
    '2026-02-30 10:00:00',
    '2026-11-01 10:00:00 CET',
    '12:00',
    '',
    '99999999999',
  ])('refused: %p', async (cell) => expectRefused(await minutes([cell]), 'line 2'));
});
