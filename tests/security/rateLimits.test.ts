import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type ApiKey, noLimits } from '@usage/lib/auth/key.ts';
import { RateLimits } from '@usage/lib/auth/rateLimits.ts';
import type { Problem } from '@usage/lib/http/problem.ts';
import { Redis } from 'ioredis';
import { type RunningApps, startApps } from '../support/apps.ts';
import { startTestRedis } from '../support/servers.ts';

const adminKey = 'the-operators-own-key-0123456789abcdef';
const startMsMax = 60_000;

let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

function call(method: string, path: string, key: string, body?: unknown, origin = apps.url) {
  return fetch(origin + path, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function makeKey(limits: Record<string, number>): Promise<string> {
  const body = { name: 'limited', scopes: ['ingest', 'read'], ...limits };
  const response = await call('POST', '/api/v1/keys', adminKey, body);
  const { key } = (await response.json()) as { key: string };
  // Other apps know it within a second; the question that finds it known is counted.
  while (
    (await call('GET', '/api/v1/meters/none/subjects', `${key}`, undefined, apps.queryUrl)).status === 401
  );
  return key;
}

function events(count: number, name: string) {
  return Array.from({ length: count }, (_, n) => ({
    specversion: '1.0',
    id: `${name}-${n}`,
    source: 'test',
    type: 'prompt',
    subject: 'customer-1',
  }));
}

describe('over HTTP', () => {
  test('requests: as many as the burst, then 429 that says when to come back', async () => {
    const key = await makeKey({ requestsPerSecond: 2, requestsBurst: 20 });
    const first = await call('GET', '/api/v1/meters', key);
    expect(first.headers.get('ratelimit-policy')).toBe('"requests";q=20;w=10');
    expect(first.headers.get('ratelimit')).toMatch(/^"requests";r=1[89];t=\d+$/);
    const statuses: number[] = [];
    for (let n = 0; n < 20; n++) statuses.push((await call('GET', '/api/v1/meters', key)).status);
    expect(statuses.slice(0, 18)).toEqual(Array(18).fill(200));
    expect(statuses.at(-1)).toBe(429);
    const refused = await call('POST', '/api/v1/events', key, events(1, 'refused'));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeWithin(1, 11);
    expect(refused.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/);
    expect(await refused.json()).toMatchObject({ status: 429, code: 'too_many_requests' });
  });

  test('the query service counts together with the gateway, which does not count what it passes on', async () => {
    const key = await makeKey({ requestsPerSecond: 1, requestsBurst: 20 });
    for (let n = 0; n < 5; n++) expect((await call('GET', '/api/v1/events', key)).status).toBe(200);
    for (let n = 0; n < 5; n++) await call('GET', '/api/v1/events', key, undefined, apps.queryUrl);
    const last = await call('GET', '/api/v1/events', key);
    expect(last.headers.get('ratelimit')).toMatch(/^"requests";r=8;/);
  });

  test('events: all of a request or none of it; more than ever possible is a 413', async () => {
    const key = await makeKey({ eventsPerSecond: 10, eventsBurst: 100 });
    const sent = await call('POST', '/api/v1/events', key, events(60, 'a'));
    expect(sent.status).toBe(204);
    expect(sent.headers.get('ratelimit')).toMatch(/^"events";r=40;/);
    expect((await call('POST', '/api/v1/events', key, events(41, 'b'))).status).toBe(429);
    expect((await call('POST', '/api/v1/events', key, events(40, 'c'))).status).toBe(204);
    const never = await call('POST', '/api/v1/events', key, events(101, 'd'));
    expect(never.status).toBe(413);
    expect(((await never.json()) as { detail: string }).detail).toContain('may send 100 at once');
  });

  test('a key without limits gets no such headers', async () => {
    const response = await call('GET', '/api/v1/meters', await makeKey({}));
    expect(response.headers.has('ratelimit')).toBe(false);
  });
});

describe('apps that share a Redis', () => {
  const keyOf = (id: string, eventsPerSecond: number): ApiKey => ({
    id,
    namespace: 'default',
    name: id,
    prefix: id,
    scopes: ['ingest'],
    limits: { ...noLimits, eventsPerSecond, eventsBurst: eventsPerSecond * 60 },
  });
  /** How many of the wished events pass, one by one. */
  const take = (limits: RateLimits, key: ApiKey, wished: number) => {
    for (let n = 0; n < wished; n++) {
      try {
        limits.takeEvents(key, 1);
      } catch (error) {
        expect((error as Problem).code).toBe('too_many_requests');
        return n;
      }
    }
    return wished;
  };

  test('what one app took is missing in the other as soon as Redis knows it', async () => {
    const server = await startTestRedis();
    const [a, b] = [new Redis(server.url), new Redis(server.url)];
    const [one, two] = [new RateLimits(a, 'test'), new RateLimits(b, 'test')];
    const key = keyOf('shared', 10);
    expect(take(one, key, 400)).toBe(400);
    const told = async (count: number) => {
      while ((await a.get('test:rate:events:shared:')) !== String(count)) await Bun.sleep(5);
    };
    await told(400);
    expect(take(two, key, 100)).toBe(100);
    await told(500);
    await a.ping();
    await b.ping();
    expect(take(two, key, 600)).toBe(100);
    await told(600);
    a.disconnect();
    b.disconnect();
    await server.stop();
  });

  test("Redis' clock is set back: a counter that would outlive its window by an hour begins anew", async () => {
    const server = await startTestRedis();
    const redis = new Redis(server.url);
    const limits = new RateLimits(redis, 'test');
    const counter = 'test:rate:events:late:';
    await redis.set(counter, 600, 'PX', 3_600_000);
    expect(take(limits, keyOf('late', 10), 70)).toBe(70);
    while ((await redis.get(counter)) !== '70') await Bun.sleep(5);
    expect(await redis.pttl(counter)).toBeLessThanOrEqual(60_000);
    redis.disconnect();
    await server.stop();
  });

  test('while Redis is away or silent, each app holds the limit by itself and asks nobody on the way', async () => {
    const server = await startTestRedis();
    const redis = new Redis(server.url, { commandTimeout: 200, retryStrategy: () => 20 });
    redis.on('error', () => {});
    await redis.ping();
    const limits = new RateLimits(redis, 'test');
    await redis.client('PAUSE', 60_000);
    const startedMs = performance.now();
    expect(take(limits, keyOf('paused', 10), 1_000)).toBe(600);
    expect(performance.now() - startedMs).toBeLessThan(150);
    await server.stop();
    expect(take(limits, keyOf('away', 10), 1_000)).toBe(600);
    redis.disconnect();
  });
});
