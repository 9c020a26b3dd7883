import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startGateway, type TestGateway } from './start.ts';

/** Stands where the query service is: tells what reached it. */
const upstream = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  async fetch(request) {
    const target = request.url.slice(request.url.indexOf('/', 8));
    if (target.includes('/slow/')) await Bun.sleep(60_000);
    if (target.includes('/missing/')) {
      return new Response('{"status":404}', {
        status: 404,
        headers: { 'Content-Type': 'application/problem+json' },
      });
    }
    const { headers, method } = request;
    return Response.json(
      { method, target, headers: headers.toJSON(), body: await request.text() },
      {
        headers: {
          'Usage-As-Of': '2026-11-22T10:00:00Z',
          'Set-Cookie': 'secret=1',
          'Content-Type': 'application/json; x=1',
        },
      },
    );
  },
});

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ QUERY_URL: `http://127.0.0.1:${upstream.port}/`, READ_MS_MAX: '100' });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.stop(true);
});

describe('reads', () => {
  test.each([
    '/api/v1/events?limit=5',
    '/api/v2/events?filter=%7B%22id%22%7D',
    '/api/v1/meters/tokens/query?filterGroupBy[model]=a%2Bb+c&filterGroupBy%5Bx%5D=%c3%a9&from=2026-11-22T10:00:00%2B05:30&subject=a&subject=b',
    '/api/v1/meters/tokens/subjects',
    '/api/v1/meters/tokens/group-by/model/values?from=x',
  ])('GET %s arrives byte for byte', async (target) => {
    const response = await fetch(gateway.url + target, {
      headers: { Accept: 'text/csv', 'X-Request-Id': 'r-1', Cookie: 'c=1' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('usage-as-of')).toBe('2026-11-22T10:00:00Z');
    expect(response.headers.get('content-type')).toBe('application/json; x=1');
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(response.headers.get('x-request-id')).toBe('r-1');
    const seen = (await response.json()) as {
      target: string;
      method: string;
      headers: Record<string, string>;
    };
    expect(seen.target).toBe(target);
    expect(seen.method).toBe('GET');
    expect(seen.headers.accept).toBe('text/csv');
    expect(seen.headers['x-request-id']).toBe('r-1');
    expect(seen.headers.cookie).toBeUndefined();
  });

  test('POST …/query takes its body along', async () => {
    const body = '{"windowSize":"DAY","n":1.10}';
    const response = await fetch(`${gateway.url}/api/v1/meters/tokens/query`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    });
    expect(await response.json()).toMatchObject({
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
  });

  test('a problem of the query service stays as it is', async () => {
    const response = await fetch(`${gateway.url}/api/v1/meters/missing/query`);
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.text()).toBe('{"status":404}');
  });

  test('too slow: 504 within the time limit', async () => {
    const response = await fetch(`${gateway.url}/api/v1/meters/slow/query`);
    expect(response.status).toBe(504);
    expect(((await response.json()) as { detail: string }).detail).toContain('100 ms');
  });

  test('query service away: 503 with Retry-After', async () => {
    const away = await startGateway({ QUERY_URL: 'http://127.0.0.1:9' });
    const response = await fetch(`${away.url}/api/v1/events`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    await away.stop();
  });
});

describe('the description', () => {
  test('/swagger names no other host, and everything it loads is served here', async () => {
    const page = await (await fetch(`${gateway.url}/swagger`)).text();
    expect(page).not.toMatch(/https?:\/\//);
    for (const path of ['page.js', 'page.css', 'bundle.js']) {
      const response = await fetch(`${gateway.url}/swagger/${path}`);
      expect(response.status).toBe(200);
      expect((await response.text()).length).toBeGreaterThan(100);
    }
  });

  test('/swagger/json has every route of ingest, meters, subjects and operations', async () => {
    const { paths } = (await (await fetch(`${gateway.url}/swagger/json`)).json()) as {
      paths: Record<string, object>;
    };
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/api/v1/events',
        '/api/v1/meters',
        '/api/v1/subjects',
        '/health/ready',
        '/metrics',
      ]),
    );
  });
});
