import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { t } from 'elysia';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Health } from '../service/health.ts';
import { readBody } from './body.ts';
import { Problem } from './problem.ts';
import { createServer, listen, stopListening } from './server.ts';

const lines: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
const health = new Health();
let databaseFault: string | undefined;
health.ready('database', () => databaseFault);

let uploading = Promise.withResolvers<void>();
let uploaded = Promise.withResolvers<unknown>();
const held = Promise.withResolvers<void>();
const entered = Promise.withResolvers<void>();
const app = createServer({ log, health, registry: new Registry(), bodyBytesMax: 1_000 })
  .get('/boom', () => {
    throw new Error('SELECT secret FROM keys');
  })
  .get('/text', () => {
    throw 'secret text';
  })
  .get('/conflict', () => {
    throw new Problem('conflict', 'It is there already.', {
      extensions: { slug: 'a' },
      headers: { 'Retry-After': '9' },
    });
  })
  .get('/things/:id', ({ params }) => params.id, { params: t.Object({ id: t.Numeric() }) })
  .post('/things', ({ body }) => body, {
    body: t.Object({ name: t.String() }, { additionalProperties: false }),
  })
  .get('/away', () => {
    throw new Problem('unavailable', 'The database is away.', { cause: new Error('ECONNREFUSED') });
  })
  .post(
    '/upload',
    async ({ request }) => {
      uploading.resolve();
      const body = await readBody(request, 1_000).catch((error) => error);
      uploaded.resolve(body);
      return 'ok';
    },
    { parse: 'none' },
  )
  .get('/held', async () => {
    entered.resolve();
    await held.promise;
    return 'finished';
  });

let url: string;
beforeAll(() => {
  url = `http://127.0.0.1:${listen(app, '127.0.0.1', 0)}`;
});
afterAll(() => stopListening(app));

const post = (path: string, body: string) =>
  fetch(url + path, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });

describe('errors', () => {
  test.each(['/boom', '/text'])('%s: what was not meant for clients is logged, never shown', async (path) => {
    lines.length = 0;
    const response = await fetch(url + path, { headers: { 'X-Request-Id': 'r-1' } });
    expect(response.status).toBe(500);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const text = await response.text();
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({
      status: 500,
      title: 'Internal Server Error',
      instance: 'urn:request:r-1',
    });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { requestId: 'r-1', msg: 'request failed' },
    ]);
    expect(lines[0]).toContain('secret');
  });

  test('a Problem keeps its status, headers and extensions', async () => {
    const response = await fetch(`${url}/conflict`);
    expect(response.status).toBe(409);
    expect(response.headers.get('retry-after')).toBe('9');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.json()).toMatchObject({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      detail: 'It is there already.',
      code: 'conflict',
      extensions: { slug: 'a' },
    });
  });

  test('an outage is one line a second, with its cause, not one a request', async () => {
    lines.length = 0;
    for (let n = 0; n < 20; n++) expect((await fetch(`${url}/away`)).status).toBe(503);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('ECONNREFUSED');
  });

  test.each([
    ['an unknown key', '{"name":"a","other":1}', 'other'],
    ['a missing key', '{}', 'name'],
    ['a wrong type', '{"name":1}', 'name'],
  ])('%s in a body with a schema is named', async (_, body, field) => {
    const response = await post('/things', body);
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { extensions: { validationErrors: { field: string }[] } };
    expect(problem.extensions.validationErrors[0]!.field).toBe(`body.${field}`);
  });

  test('a body that is no JSON is a 400', async () => {
    const response = await post('/things', '{"name":');
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });

  test.each(['Content-Length: 99', 'Transfer-Encoding: chunked'])(
    'a body that is cut off (%s)',
    async (header) => {
      lines.length = 0;
      uploading = Promise.withResolvers();
      uploaded = Promise.withResolvers();
      const { hostname, port } = new URL(url);
      const socket = await Bun.connect({ hostname, port: Number(port), socket: { data() {} } });
      socket.write(`POST /upload HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`);
      await uploading.promise;
      socket.terminate();
      expect(await uploaded.promise).toMatchObject({ code: 'bad_request' });
      expect(lines).toEqual([]);
    },
  );

  test('a body that says it is too long is refused as a problem', async () => {
    const response = await post('/things', `{"name":"${'x'.repeat(1_000)}"}`);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'too_large' });
  });

  test.each([
    ['DELETE', '/things', 405, 'POST'],
    ['POST', '/things/7', 405, 'GET'],
    ['GET', '/nothing', 404, null],
    ['GET', '/things/7/8', 404, null],
    ['GET', '/../../etc/passwd', 404, null],
  ])('%s %s: %d', async (method, path, status, allow) => {
    const response = await fetch(url + path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('allow')).toBe(allow);
    expect(await response.json()).toMatchObject({ status });
  });
});

describe('operations', () => {
  test('ready tells what is wrong with 503, live stays well', async () => {
    expect(await (await fetch(`${url}/health/ready`)).json()).toEqual({ status: 'ok', faults: {} });
    databaseFault = 'not reached';
    const response = await fetch(`${url}/health/ready`);
    databaseFault = undefined;
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: 'failing', faults: { database: 'not reached' } });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test('durations are labelled by route template, so that paths make no new series', async () => {
    await fetch(`${url}/things/1`);
    await fetch(`${url}/things/2`);
    await fetch(`${url}/things/x`);
    await fetch(`${url}/nothing/3`);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toStartWith('text/plain');
    const text = await response.text();
    const count = (labels: string) =>
      Number(new RegExp(`usage_http_request_duration_seconds_count\\{${labels}\\} (\\d+)`).exec(text)?.[1]);
    expect(count('method="GET",route="/things/:id",status_class="2xx"')).toBe(2);
    expect(count('method="GET",route="/things/:id",status_class="4xx"')).toBe(1);
    expect(text).not.toContain('/nothing/3');
  });
});

describe('listening', () => {
  test('a taken port is one clear error', () => {
    const port = Number(new URL(url).port);
    const second = createServer({ log, health, registry: new Registry(), bodyBytesMax: 1_000 });
    expect(() => listen(second, '127.0.0.1', port)).toThrow(
      `Port ${port} on 127.0.0.1 is taken by another process`,
    );
  });

  test('a stop lets requests in flight finish and takes no more', async () => {
    const response = fetch(`${url}/held`);
    await entered.promise;
    const stopped = stopListening(app);
    expect(fetch(`${url}/health/live`, { keepalive: false })).rejects.toThrow();
    held.resolve();
    expect(await (await response).text()).toBe('finished');
    await stopped;
  });
});
