import { afterAll, beforeAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type FuzzRequest, operationsOf, requestOf } from './openApi.ts';

/**
 * Every described operation of gateway and query service, with requests made from its own description. Some 1,500 of
 * them here; FUZZ_RUNS=1500 sends tens of thousands, FUZZ_SEED repeats a run.
 */
const runs = Number(process.env.FUZZ_RUNS ?? 40);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const adminKey = 'the-operators-own-key-0123456789abcdef';
const startMsMax = 60_000;
const runMsMax = 30 * 60_000;
const residentGrowthMax = 150_000_000;

let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
  const meter = {
    slug: 'tokens',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy: { model: '$.model' },
  };
  await send(apps.url, {
    method: 'POST',
    target: '/api/v1/meters',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(meter),
  });
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

function send(origin: string, { method, target, headers, body }: FuzzRequest): Promise<Response> {
  return fetch(origin + target, {
    method,
    headers: { ...headers, Authorization: `Bearer ${adminKey}` },
    redirect: 'manual',
    ...(body !== undefined && { body }),
  });
}

async function residentBytes(origin: string): Promise<number> {
  const metrics = await (await fetch(`${origin}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(metrics)?.[1]);
}

/** Of stack traces, SQL, postgres.js, file paths and the key. */
const leak =
  /\n\s+at |\/apps\/|\/node_modules\/|\bSELECT\b|\bINSERT INTO\b|\bPostgresError\b|\bERR_[A-Z]|the-operators-own-key/;

test(
  `no request makes a 5xx, a crash or a leak (seed ${seed})`,
  async () => {
    let requests = 0;
    const statuses = new Map<number, number>();
    const routes = new Set<string>();
    const origins = [apps.url, apps.queryUrl];
    const before = await Promise.all(origins.map(residentBytes));
    for (const origin of origins) {
      const description = await (await fetch(`${origin}/swagger/json`)).json();
      for (const operation of operationsOf(description)) {
        routes.add(`${operation.method} ${operation.path}`);
        await fc.assert(
          fc.asyncProperty(requestOf(operation), async (request) => {
            const response = await send(origin, request);
            const answer = await response.text();
            requests++;
            statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
            // 501: what OpenMeter has and this system has not.
            if (response.status !== 501) expect(response.status).toBeLessThan(500);
            expect(response.headers.get('set-cookie')).toBeNull();
            if (response.status < 400) return;
            expect(response.headers.get('content-type')).toBe('application/problem+json');
            const problem = JSON.parse(answer);
            expect(problem.status).toBe(response.status);
            // What the client sent may come back; what the server holds may not.
            if (!/SELECT|INSERT|\/apps\//.test(request.target + (request.body ?? '')))
              expect(problem.detail).not.toMatch(leak);
          }),
          { numRuns: runs, seed, endOnFailure: true },
        );
      }
    }
    const growth = (await Promise.all(origins.map(residentBytes))).map((after, n) => after - before[n]!);
    console.log({
      requests,
      routes: routes.size,
      statuses: Object.fromEntries([...statuses].sort()),
      growthMB: growth.map((bytes) => Math.round(bytes / 1e6)),
    });
    for (const bytes of growth) expect(bytes).toBeLessThan(residentGrowthMax);
    const bad = apps
      .logLines()
      .filter((line) => /"level":"(?:error|fatal)"/.test(line) || line.includes(adminKey));
    expect(bad).toEqual([]);
  },
  runMsMax,
);
