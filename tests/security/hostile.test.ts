import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { type RunningApps, startApps } from '../support/apps.ts';

/** Input made to break things, against the real processes: each a clear problem, and the system goes on. */
const startMsMax = 60_000;
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
  const groupBy = { model: '$.model' };
  const meter = {
    slug: 'tokens',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy,
  };
  expect((await post('/api/v1/meters', meter)).status).toBe(201);
}, startMsMax);
afterAll(async () => {
  expect((await fetch(`${apps.url}/health/ready`)).status).toBe(200);
  expect(apps.logLines().filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([]);
  await apps.stop();
}, startMsMax);

function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return fetch(apps.url + path, {
    method: 'POST',
    body: text,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

const event = (more: Record<string, unknown> = {}) => ({
  specversion: '1.0',
  id: crypto.randomUUID(),
  source: 'hostile',
  type: 'prompt',
  subject: 'customer-1',
  ...more,
});

/** A problem with this status, which says something a person can use and nothing about our insides. */
async function expectProblem(response: Response, status: number, saying?: string | RegExp): Promise<void> {
  const answer = await response.text();
  expect([response.status, answer]).toEqual([status, expect.stringContaining('"detail":"')]);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(answer).not.toMatch(/\bat \/|node_modules|SELECT|PostgresError/);
  if (saying !== undefined) expect(answer).toMatch(saying);
}

describe('events', () => {
  test.each([
    ['NUL in an id', { id: 'a\0b' }, /NUL/],
    ['half a surrogate pair in a subject', { subject: '\ud800' }, /surrogate/],
    ['an id of 2,000 digits', { id: '9'.repeat(2_000) }, /longer than 1024 bytes/],
    ['a time in the year 0', { time: '0000-01-01T00:00:00Z' }, /time/],
    ['a time in the year 9999', { time: '9999-12-31T23:59:59Z' }, /time/],
    ['a leap second that never was', { time: '2026-06-15T12:00:60Z' }, /time/],
    ['an offset of 99 hours', { time: '2026-11-22T10:00:00+99:00' }, /time/],
    ['data that is a text', { data: 'x' }, /data/],
    [
      'a hundred extensions',
      Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`x${n}`, 1])),
      /extension/,
    ],
    ['an extension called __proto__', JSON.parse('{"__proto__":{"a":1}}'), /a-z and 0-9/],
    ['nothing of an event', { id: undefined, source: undefined }, /is required/],
  ])('%s: 400', async (_name, more, saying) => {
    const body =
      JSON.stringify(event()).slice(0, -1) + JSON.stringify(more).replace(/^\{/, ',').replace(/^,\}$/, '}');
    const isEmpty = JSON.stringify(more) === '{}';
    await expectProblem(await post('/api/v1/events', isEmpty ? '{"specversion":"1.0"}' : body), 400, saying);
  });

  test('JSON 10,000 deep, and 1,000,000 deep', async () => {
    for (const depth of [10_000, 1_000_000]) {
      const data = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
      const body = `${JSON.stringify(event()).slice(0, -1)},"data":${data}}`;
      await expectProblem(await post('/api/v1/events', body), 400, /nested/);
    }
  });

  test('an object with a million keys is a 413; with 400,000 it is kept', async () => {
    const data = (keys: number) =>
      Object.fromEntries(Array.from({ length: keys }, (_, n) => [`k${n}`, n % 10]));
    await expectProblem(await post('/api/v1/events', event({ data: data(1_000_000) })), 413);
    const response = await post('/api/v1/events', event({ data: data(400_000) }), { Prefer: 'wait=20' });
    expect(await response.json()).toMatchObject({ committed: true, stored: 1 });
  });

  test('odd data is kept as it came, NUL within included, and the exact sum is right', async () => {
    const subject = 'odd-data';
    const texts = [
      '1e400',
      '-0',
      '12345678901234567890.5',
      '"0.1"',
      '"NaN"',
      '"Infinity"',
      '"1e999999999"',
      'null',
      '[1]',
      '{"__proto__":1}',
    ];
    const body = texts.map(
      (tokens) =>
        `${JSON.stringify(event({ subject })).slice(0, -1)},"data":{"tokens":${tokens},"a\\u0000b":"\\u0000\\ud800","__proto__":{"x":1},"constructor":1}}`,
    );
    const response = await post('/api/v1/events', `[${body.join(',')}]`, {
      Prefer: 'wait=20, return=representation',
    });
    const { events } = (await response.json()) as { events: { outcome: string }[] };
    expect(events.every(({ outcome }) => outcome === 'stored' || outcome === 'dead_letter')).toBe(true);
    const usage = await fetch(`${apps.url}/api/v1/meters/tokens/query?subject=${subject}`);
    expect(usage.status).toBe(200);
    const listed = await fetch(`${apps.url}/api/v1/events?subject=${subject}`);
    expect(listed.status).toBe(200);
    expect(
      ((await listed.json()) as unknown[]).length +
        events.filter(({ outcome }) => outcome === 'dead_letter').length,
    ).toBe(texts.length);
  });
});

describe('connections', () => {
  const raw = (text: string | Buffer, end = false) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(apps.url).port), '127.0.0.1', () => {
        socket.write(text);
        if (end) socket.end();
      });
      let answer = '';
      socket.setTimeout(5_000, () => socket.destroy());
      socket.on('data', (chunk) => {
        answer += chunk;
        if (answer.includes('\r\n\r\n')) socket.destroy();
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });

  test('a body cut off in the middle leaves nothing behind', async () => {
    await raw(
      'POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"spec',
      true,
    );
    expect((await post('/api/v1/events', event())).status).toBe(204);
  });

  test('a length that is too large is refused before the body comes', async () => {
    const head =
      'POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n';
    expect(await raw(head)).toStartWith('HTTP/1.1 413');
  });

  /** A good event, so that whatever else is wrong must be what is refused. */
  const good = JSON.stringify(event());
  const chunked = `Transfer-Encoding: chunked\r\n\r\n${good.length.toString(16)}\r\n${good}\r\n`;
  test.each([
    ['two lengths', `Content-Length: ${good.length}\r\nContent-Length: ${good.length + 1}\r\n\r\n${good}`],
    ['a length and chunks', `Content-Length: ${good.length}\r\n${chunked}0\r\n\r\n`],
    ['chunks and a length', `${chunked.replace('\r\n', `\r\nContent-Length: ${good.length}\r\n`)}0\r\n\r\n`],
    [
      'chunks within gzip, said the wrong way round',
      `${chunked.replace('chunked', 'chunked, gzip')}0\r\n\r\n`,
    ],
    ['a last chunk without its end', `${chunked}0\r\nXX`],
    ['a chunk longer than it says', `${chunked.replace(good, `${good}xx`)}0\r\n\r\n`],
    ['a chunk whose length is none', `${chunked}0x0\r\n\r\n`],
    ['a length that is no number', `Content-Length: ${good.length}x\r\n\r\n${good}`],
    ['a negative length', `Content-Length: -${good.length}\r\n\r\n${good}`],
    ['a NUL in a header', `X-A: a\0b\r\nContent-Length: ${good.length}\r\n\r\n${good}`],
    ['a space before the colon', `X-A : a\r\nContent-Length: ${good.length}\r\n\r\n${good}`],
    ['a folded header', `X-A: a\r\n b\r\nContent-Length: ${good.length}\r\n\r\n${good}`],
  ])('request smuggling by %s: refused', async (_name, rest) => {
    const answer = await raw(
      `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${rest}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('the same, well said, is taken', async () => {
    const head = 'POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    expect(await raw(`${head}${chunked}0\r\n\r\n`)).toStartWith('HTTP/1.1 204');
    expect(await raw(`${head}X-A: a\r\nContent-Length: ${good.length}\r\n\r\n${good}`)).toStartWith(
      'HTTP/1.1 204',
    );
  });

  test.each(['localhost/metrics?', 'localhost\\metrics?', '', 'localhost:99999', '[', 'a b'])(
    'a Host that is none, %p: 400 where it is looked at, never a 500',
    async (host) => {
      for (const path of ['/api/v1/subjects', '/api/v1/meters/tokens/query', '/api/v2/events', '/nothing']) {
        const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        expect([path, answer]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 40[03]/)]);
      }
    },
  );

  test('two hundred slow clients do not keep others from being served', async () => {
    const sockets = Array.from({ length: 200 }, () => connect(Number(new URL(apps.url).port), '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.write(
        'POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{',
      );
    }
    const startedMs = performance.now();
    expect((await post('/api/v1/events', event())).status).toBe(204);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    for (const socket of sockets) socket.destroy();
  });

  test('a request id can’t carry a header or a log line in', async () => {
    for (const id of ['a"b', 'a b', '{"x":1}', 'x'.repeat(500)]) {
      const response = await fetch(`${apps.url}/api/v1/meters`, { headers: { 'X-Request-Id': id } });
      expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{10,40}$/);
    }
  });
});

describe('queries', () => {
  const query = (text: string) => fetch(`${apps.url}/api/v1/meters/tokens/query?${text}`);

  test('windows of minutes over 229 years: no row but those with usage, in no time', async () => {
    await post('/api/v1/events', event({ data: { tokens: 1 } }), { Prefer: 'wait=20' });
    const startedMs = performance.now();
    const response = await query('windowSize=MINUTE&from=1970-01-01T00:00:00Z&to=2199-01-01T00:00:00Z');
    expect(response.status).toBe(200);
    expect(((await response.json()) as { data: unknown[] }).data.length).toBeWithin(1, 10);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test('windows that would make a billion rows, and answers of more than 100,000: 400 that says the limit', async () => {
    for (const [subject, time] of [
      ['far-apart', '1970-01-01T00:00:00Z'],
      ['far-apart', '2199-12-31T00:00:00Z'],
    ]) {
      const ends = event({ subject, time, data: { tokens: 1 } });
      expect((await post('/api/v1/events', ends, { Prefer: 'wait=20' })).status).toBe(200);
    }
    const range = 'from=1970-01-01T00:00:00Z&to=2199-12-31T23:00:00Z';
    const minutes = await query(`subject=far-apart&windowSize=MINUTE&${range}`);
    await expectProblem(minutes, 400, /120967260 windows of a minute, more than 50000/);
    const meter = { slug: 'crowd', eventType: 'crowd', aggregation: 'COUNT' };
    expect((await post('/api/v1/meters', meter)).status).toBe(201);
    for (let batch = 0; batch < 11; batch++) {
      const events = Array.from({ length: 9_100 }, (_, n) =>
        event({ type: 'crowd', subject: `one-of-many-${batch}-${n}` }),
      );
      expect((await post('/api/v1/events', events, { Prefer: 'wait=20' })).status).toBe(200);
    }
    for (const what of ['query?groupBy=subject', 'subjects'])
      await expectProblem(
        await fetch(`${apps.url}/api/v1/meters/crowd/${what}`),
        400,
        /more than 100000 rows/,
      );
  }, 30_000);

  test('NUL and half surrogate pairs in what is grouped by and counted', async () => {
    const unique = {
      slug: 'models',
      eventType: 'prompt',
      aggregation: 'UNIQUE_COUNT',
      valueProperty: '$.model',
    };
    expect((await post('/api/v1/meters', unique)).status).toBe(201);
    const subject = 'odd-groups';
    const models = ['a', 'a\0b', '\0', '\ud800', 'x\udfffy', '__proto__', '\u202e', '9'.repeat(5_000)];
    for (const model of models) {
      const sent = await post('/api/v1/events', event({ subject, data: { tokens: 1, model } }), {
        Prefer: 'wait=20',
      });
      expect(await sent.json()).toMatchObject({ stored: 1, deadLetters: 0 });
    }
    const response = await query(`subject=${subject}&groupBy=model`);
    expect(response.status).toBe(200);
    const { data } = (await response.json()) as { data: { value: number; groupBy: { model: string } }[] };
    expect(data.reduce((sum, { value }) => sum + value, 0)).toBe(models.length);
    expect(data.every(({ groupBy }) => groupBy.model.isWellFormed() && !groupBy.model.includes('\0'))).toBe(
      true,
    );
    const counted = await fetch(`${apps.url}/api/v1/meters/models/query?subject=${subject}`);
    expect(counted.status).toBe(200);
    expect((await fetch(`${apps.url}/api/v1/meters/tokens/group-by/model/values`)).status).toBe(200);
  }, 20_000);

  test('5,000 parameters, unknown zones and sizes', async () => {
    await expectProblem(await query(Array(5_000).fill('a').join('&')), 400);
    await expectProblem(await query('windowSize=DAY&windowTimeZone=Mars/Olympus'), 400, /time zone/);
    await expectProblem(
      await query('windowTimeZone=..%2F..%2Fetc%2Fpasswd&windowSize=DAY'),
      400,
      /time zone/,
    );
    await expectProblem(await query('windowSize=CENTURY'), 400, /windowSize/);
  });

  test('group keys and filters made to inject SQL are looked up, not run', async () => {
    for (const text of ["model'; DROP TABLE meters; --", 'model"', '__proto__', 'constructor', '$1']) {
      await expectProblem(await query(`groupBy=${encodeURIComponent(text)}`), 400, /invalid group by/);
      const filtered = await query(
        `filterGroupBy[model]=${encodeURIComponent(text)}&subject=${encodeURIComponent(text)}`,
      );
      expect([filtered.status, await filtered.json()]).toMatchObject([200, { data: [] }]);
    }
  });

  test('objects that pose as texts and numbers are refused', async () => {
    const poser = { toString: 1, valueOf: 1, length: 1 };
    const filter = encodeURIComponent(JSON.stringify({ time: { $gte: poser }, id: { $eq: poser } }));
    await expectProblem(await fetch(`${apps.url}/api/v2/events?filter=${filter}`), 400, /filter.time/);
    for (const [path, body] of [
      ['/api/v1/dead-letters/redrive', { ids: [poser] }],
      ['/api/v3/openmeter/meters/tokens/query', { granularity: poser }],
      ['/api/v3/openmeter/meters/tokens/query', { granularity: '__proto__' }],
      ['/api/v1/meters/tokens/query', { windowTimeZone: poser, windowSize: poser, groupBy: [poser] }],
      ['/api/v1/subjects', [{ key: poser, metadata: { a: poser }, currentPeriodStart: poser }]],
      ['/api/v1/meters', { slug: poser, eventType: poser, aggregation: poser, groupBy: { a: poser } }],
      ['/api/v3/openmeter/meters', { key: poser, aggregation: poser, dimensions: { a: poser } }],
      ['/api/v1/keys', { name: poser, scopes: [poser], eventsPerSecond: poser }],
      ['/api/v1/portal/tokens', { subject: poser, expiresAt: poser, allowedMeterSlugs: [poser] }],
      ['/api/v1/portal/tokens/invalidate', { id: poser, subject: poser }],
      ['/api/v1/events', event({ id: poser, source: poser, time: poser })],
    ] as const) {
      await expectProblem(await post(path, body), 400);
    }
  });

  test('JSONPaths made to inject SQL are refused', async () => {
    for (const path of [
      "$.a') FROM events; DROP TABLE meters; --",
      '$.a[?(@.b == 1)]',
      '$..a',
      `$.${'a'.repeat(10_000)}`,
    ]) {
      const meter = { slug: 'bad', eventType: 'x', aggregation: 'SUM', valueProperty: path };
      await expectProblem(await post('/api/v1/meters', meter), 400, /valueProperty/);
    }
    expect((await fetch(`${apps.url}/api/v1/meters/tokens`)).status).toBe(200);
  });

  test('a table for spreadsheets holds no formulas', async () => {
    for (const subject of ['=cmd|calc', '+1+1', '@SUM(A1)', '-2+3', '\t=1']) {
      await post('/api/v1/events', event({ subject, data: { tokens: 1 } }), { Prefer: 'wait=20' });
    }
    const response = await fetch(`${apps.url}/api/v1/meters/tokens/query?groupBy=subject`, {
      headers: { Accept: 'text/csv' },
    });
    const cells = (await response.text()).split(/[\r\n,]+/).map((cell) => cell.replace(/^"/, ''));
    expect(cells.filter((cell) => /^[=+@\t]/.test(cell) || /^-\D/.test(cell))).toEqual([]);
    expect(cells).toContain("'=cmd|calc");
  });
});

describe('paths, methods, types', () => {
  test.each([
    ['GET', '/api/v1/meters/..%2f..%2fetc%2fpasswd', 404],
    ['GET', '/swagger/..%2f..%2fpackage.json', 404],
    ['GET', '/swagger/%2e%2e/%2e%2e/package.json', 404],
    ['GET', '/api/v1/meters/%00', 404],
    ['GET', '/api/v1/meters/%zz', 404],
    ['PATCH', '/api/v1/meters', 405],
    ['DELETE', '/api/v1/events', 405],
    ['PUT', '/api/v1/subjects', 405],
  ] as const)('%s %s: %i', async (method, path, status) => {
    await expectProblem(await fetch(apps.url + path, { method }), status);
  });

  test('a path of 100,000 letters', async () => {
    const response = await fetch(`${apps.url}/${'a'.repeat(100_000)}`).catch(() => null);
    expect(response === null || (response.status >= 400 && response.status < 500)).toBe(true);
  });

  test.each([
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    ';;;',
  ])('Content-Type %s: 415', async (type) => {
    await expectProblem(await post('/api/v1/events', event(), { 'Content-Type': type }), 415);
    await expectProblem(await post('/api/v1/meters', {}, { 'Content-Type': type }), 415);
  });
});
