import { loadavg } from 'node:os';
import { prepareDriver } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { median, round } from '../measure.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { isWatchIdle, setRulesDisabled } from '../sql/rules.ts';
import type { Stack } from '../stack.ts';

const backgroundEventsPerSecond = 10_000;
const connections = 2;
const secondsDefault = 20;
const subjects = 100_000;
const rules = 1_000;
/** Of load_calls: the busiest subjects reach some of them, the others none. */
const leastThreshold = 100;
const probeThreshold = 1_000_000;
const pauseBetweenProbesMs = 100;
const probeMsMax = 30_000;
const ingestSecondsEach = 4;
const ingestRounds = 6;

/**
 * 1,000 rules over 100,000 subjects: how long after the commit of an event the event of its threshold is there, beside
 * 10,000 events/s; and ingest as fast as it goes with the rules enabled and disabled, in turns.
 */
export const thresholds: Scenario = (run) =>
  withStack(run, async (stack) => {
    const seconds = run.seconds ?? secondsDefault;
    run.progress(`${rules} rules`);
    await prepare(stack);
    while (!(await isWatchIdle(stack.sql))) await Bun.sleep(pauseBetweenProbesMs);
    const workload = { ...cleanBatches, subjects };
    const plan = { url: `${stack.gatewayUrl}/api/v1/events`, headers: stack.headers, connections, workload };
    const driver = await prepareDriver({
      ...plan,
      secondsMax: seconds,
      requestsPerSecond: backgroundEventsPerSecond / workload.eventsPerRequest,
    });
    run.progress('one threshold after the other');
    const driven = driver.go();
    const delaysMs: number[] = [];
    const endMs = performance.now() + seconds * 1_000;
    while (performance.now() < endMs) {
      delaysMs.push(await probe(stack, delaysMs.length));
      await Bun.sleep(pauseBetweenProbesMs);
    }
    const { eventsAccepted } = await driven;
    run.progress('ingest with and without the rules');
    const ratios: number[] = [];
    for (let n = 0; n < ingestRounds; n++) {
      const rates: number[] = [];
      for (const disabled of n % 2 === 0 ? [true, false] : [false, true]) {
        await setRulesDisabled(stack.sql, disabled);
        const saturating = await prepareDriver({ ...plan, connections: 8, secondsMax: ingestSecondsEach });
        rates[disabled ? 0 : 1] = (await saturating.go()).eventsAccepted;
        await drained(stack);
      }
      ratios.push(rates[1]! / rates[0]!);
    }
    delaysMs.sort((a, b) => a - b);
    const at = (share: number) =>
      round(delaysMs[Math.min(delaysMs.length - 1, Math.floor(delaysMs.length * share))]!, 1);
    return {
      name: 'thresholds',
      figures: {
        rules,
        subjects,
        probes: delaysMs.length,
        backgroundAcceptedPerSecond: Math.round(eventsAccepted / seconds),
        firedAfterMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
        ingestWithRules: round(median(ratios), 3),
        ingestRatios: { least: round(Math.min(...ratios), 3), most: round(Math.max(...ratios), 3) },
        loadAverage: round(loadavg()[0]!, 1),
      },
    };
  });

async function prepare(stack: Stack): Promise<void> {
  const channel = await ask(stack, 'POST', '/api/v1/notification/channels', {
    type: 'WEBHOOK',
    name: 'load',
    url: 'https://load.invalid/',
    disabled: true,
  });
  const rule = (i: number) => ({
    type: 'usage.threshold',
    name: `load ${i}`,
    usage: { meterSlug: 'load_calls', of: 'subject', period: 'MONTH' },
    thresholds: [{ type: 'usage_value', value: i === 0 ? probeThreshold : leastThreshold + i }],
    channels: [channel.id],
  });
  for (let i = 0; i < rules; i++) await ask(stack, 'POST', '/api/v1/notification/rules', rule(i));
}

/** From the answer that says that the event is committed until the event of its threshold is there. */
async function probe(stack: Stack, n: number): Promise<number> {
  const subject = `threshold-probe-${process.pid}-${n}`;
  const events = Array.from({ length: leastThreshold + 1 }, () => ({
    specversion: '1.0',
    id: Bun.randomUUIDv7(),
    source: 'load',
    type: 'api-call',
    subject,
  }));
  await ask(stack, 'POST', '/api/v1/events', events, {
    'Content-Type': 'application/cloudevents-batch+json',
    Prefer: 'wait=10',
  });
  const committedMs = performance.now();
  while (performance.now() - committedMs < probeMsMax) {
    const found = await ask(stack, 'GET', `/api/v1/notification/events?subject=${subject}&page=1`);
    if (found.totalCount > 0) return performance.now() - committedMs;
  }
  throw new Error(`no threshold fired within ${probeMsMax} ms`);
}

async function drained(stack: Stack): Promise<void> {
  while ((await stack.stream.position()).eventsWaiting > 0) await Bun.sleep(50);
}

interface Answer {
  id: string;
  totalCount: number;
}

async function ask(
  stack: Stack,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { 'Content-Type': 'application/json' },
): Promise<Answer> {
  const answer = await fetch(stack.gatewayUrl + path, {
    method,
    headers: { ...stack.headers, ...(body === undefined ? {} : headers) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
  return (text === '' ? {} : JSON.parse(text)) as Answer;
}
