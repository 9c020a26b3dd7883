import { loadavg } from 'node:os';
import { prepareDriver } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { round } from '../measure.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { isWatchIdle } from '../sql/rules.ts';
import type { Stack } from '../stack.ts';

const backgroundEventsPerSecond = 10_000;
const backgroundConnections = 2;
const secondsDefault = 20;
const customers = 100;
const features = 100;
const entitlementsMax = customers * features;
const workers = 48;
const rules = 50;
const daysUsed = 5;
const eventsPerRequest = 500;
const pauseMs = 20;

/**
 * Checks, bulk checks and reservations beside 10,000 events/s: `customers` × `features` metered entitlements over one meter, of
 * which every one is used, and rules with thresholds on all of them.
 */
export const limits: Scenario = (run) =>
  withStack(run, async (stack) => {
    const seconds = run.seconds ?? secondsDefault;
    run.progress(`${entitlementsMax} entitlements, ${rules} rules`);
    await prepare(stack);
    const driver = await prepareDriver({
      url: `${stack.gatewayUrl}/api/v1/events`,
      headers: stack.headers,
      connections: backgroundConnections,
      secondsMax: seconds * 3,
      workload: cleanBatches,
      requestsPerSecond: backgroundEventsPerSecond / cleanBatches.eventsPerRequest,
    });
    const driven = driver.go();
    run.progress('one check after the other');
    const checks = await repeat(seconds, 1, (n) =>
      ask(
        stack,
        'GET',
        `/api/v2/customers/load-${n % customers}/entitlements/load_${Math.floor(n / customers) % features}/value`,
      ),
    );
    run.progress(`bulk checks of ${customers} × ${features}`);
    const keys = (count: number, name: string) => Array.from({ length: count }, (_, i) => `${name}${i}`);
    const query = {
      customer: { keys: keys(customers, 'load-') },
      feature: { keys: keys(features, 'load_') },
    };
    const bulk = await repeat(seconds, 1, () =>
      ask(stack, 'POST', '/api/v3/openmeter/entitlement-access/query', query),
    );
    run.progress('reservations and commits');
    const [reserveMs, commitMs]: number[][] = [[], []];
    const pairsMs = await repeat(
      seconds,
      workers,
      async (n) => {
        const startedMs = performance.now();
        const lockId = `${process.pid}-${n}`;
        const path = `/api/v1/customers/load-${n % customers}/reservations`;
        const held = await ask(stack, 'POST', path, {
          featureKey: `load_${Math.floor(n / customers) % features}`,
          amount: 1,
          lockId,
        });
        const heldMs = performance.now();
        const event = { source: 'load', id: lockId };
        await ask(stack, 'POST', `/api/v1/reservations/${held.id}/commit`, { event });
        reserveMs!.push(heldMs - startedMs);
        commitMs!.push(performance.now() - heldMs);
      },
      0,
    );
    const { eventsAccepted } = await driven;
    return {
      name: 'limits',
      figures: {
        entitlements: entitlementsMax,
        backgroundAcceptedPerSecond: Math.round(eventsAccepted / (seconds * 3)),
        checkMs: percentiles(checks),
        bulkMs: percentiles(bulk),
        reserveAndCommitPerSecond: Math.round(pairsMs.length / seconds),
        reserveMs: percentiles(reserveMs!.sort((a, b) => a - b)),
        commitMs: percentiles(commitMs!.sort((a, b) => a - b)),
        loadAverage: round(loadavg()[0]!, 1),
      },
    };
  });

async function prepare(stack: Stack): Promise<void> {
  await ask(stack, 'POST', '/api/v1/meters', {
    slug: 'load_limits',
    eventType: 'load.limits',
    aggregation: 'SUM',
    valueProperty: '$.n',
    groupBy: { feature: '$.feature' },
  });
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  await inParallel(numbers(features), (i) =>
    ask(stack, 'POST', '/api/v1/features', {
      key: `load_${i}`,
      name: `load ${i}`,
      meterSlug: 'load_limits',
      meterGroupByFilters: { feature: `f${i}` },
    }),
  );
  await inParallel(numbers(customers), (i) =>
    ask(stack, 'POST', '/api/v1/customers', { name: `load ${i}`, key: `load-${i}` }),
  );
  await inParallel(numbers(entitlementsMax), (n) =>
    ask(stack, 'POST', `/api/v2/customers/load-${n % customers}/entitlements`, {
      type: 'metered',
      featureKey: `load_${Math.floor(n / customers)}`,
      usagePeriod: { interval: 'MONTH', anchor: '2026-01-01T00:00:00Z' },
      measureUsageFrom: 'CURRENT_PERIOD_START',
      issueAfterReset: 1_000_000,
    }),
  );
  await inParallel(numbers((entitlementsMax * daysUsed) / eventsPerRequest), (request) =>
    ask(
      stack,
      'POST',
      '/api/v1/events',
      numbers(eventsPerRequest).map((i) => usageEvent(request * eventsPerRequest + i)),
      'application/cloudevents-batch+json',
    ),
  );
  const channel = await ask(stack, 'POST', '/api/v1/notification/channels', {
    type: 'WEBHOOK',
    name: 'load',
    url: 'https://load.invalid/',
    disabled: true,
  });
  await inParallel(numbers(rules), (i) =>
    ask(stack, 'POST', '/api/v1/notification/rules', {
      type: 'entitlements.balance.threshold',
      name: `load ${i}`,
      thresholds: [{ type: 'usage_value', value: 1_000 + i }],
      channels: [channel.id],
    }),
  );
  while (!(await isWatchIdle(stack.sql))) await Bun.sleep(pauseMs);
}

/** Every entitlement is used on some days since the month began. */
function usageEvent(n: number) {
  const now = new Date();
  const monthMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
  const day = Math.floor(n / entitlementsMax);
  return {
    specversion: '1.0',
    id: `load-limits-${process.pid}-${n}`,
    source: 'load',
    type: 'load.limits',
    subject: `load-${n % customers}`,
    time: new Date(monthMs + ((now.getTime() - monthMs) * day) / daysUsed).toISOString(),
    data: { n: 1, feature: `f${Math.floor(n / customers) % features}` },
  };
}

async function inParallel(numbers: readonly number[], run: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < numbers.length) await run(numbers[next++]!);
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** Milliseconds that each run took, ascending. */
async function repeat(
  seconds: number,
  atOnce: number,
  run: (n: number) => Promise<unknown>,
  pause = pauseMs,
): Promise<number[]> {
  const tookMs: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  let next = 0;
  const work = async () => {
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      await run(next++);
      tookMs.push(performance.now() - startedMs);
      if (pause > 0) await Bun.sleep(pause);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return tookMs.sort((a, b) => a - b);
}

function percentiles(ascending: readonly number[]) {
  const at = (share: number) =>
    round(ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0, 1);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function ask(
  stack: Stack,
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
): Promise<{ id: string }> {
  const answer = await fetch(stack.gatewayUrl + path, {
    method,
    headers: { ...stack.headers, ...(body === undefined ? {} : { 'Content-Type': type }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return (text === '' ? {} : JSON.parse(text)) as { id: string };
}
