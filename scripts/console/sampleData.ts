import { directFetch } from '../../lib/http/directFetch.ts';

/** Usage of an imaginary chat product, for screenshots and tests of the console: the same for the same seed. */
export interface SampleOptions {
  /** Of the gateway. */
  url: string;
  days: number;
  events: number;
  nowMs: number;
  /** Spreads the sending over so many seconds, in a wave, with some events sent twice and some refused; 0 = at once. */
  seconds?: number;
}

const customers = [
  'acme',
  'globex',
  'initech',
  'umbrella',
  'hooli',
  'stark',
  'wayne',
  'wonka',
  'tyrell',
  'cyberdyne',
];
const models = ['claude-opus', 'claude-sonnet', 'claude-haiku'];
const regions = ['eu-central', 'us-east'];
const eventsPerRequest = 1_000;
const dayMs = 86_400_000;
/** Of requests. */
const repeatedShare = 0.3;
const refusedShare = 0.1;

export const sampleMeters = [
  {
    slug: 'tokens',
    name: 'Tokens',
    description: 'Tokens of prompts and completions, by model',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy: { model: '$.model', region: '$.region' },
  },
  {
    slug: 'prompts',
    name: 'Prompts',
    eventType: 'prompt',
    aggregation: 'COUNT',
    groupBy: { model: '$.model' },
  },
  {
    slug: 'latency_max',
    name: 'Slowest prompt',
    eventType: 'prompt',
    aggregation: 'MAX',
    valueProperty: '$.seconds',
    groupBy: { model: '$.model' },
  },
  {
    slug: 'storage_gb',
    name: 'Storage',
    eventType: 'storage',
    aggregation: 'SUM',
    valueProperty: '$.gigabytes',
  },
  {
    slug: 'active_users',
    name: 'Active users',
    eventType: 'login',
    aggregation: 'UNIQUE_COUNT',
    valueProperty: '$.user',
  },
];

/** Makes the meters and sends the events, the most recent ones today; the last request waits until all are stored. */
export async function sendSampleData({
  url,
  days,
  events,
  nowMs,
  seconds = 0,
}: SampleOptions): Promise<void> {
  for (const meter of sampleMeters) await post(`${url}/api/v1/meters`, meter);
  const random = randomNumbers(20_261_125);
  const next = (number: number) =>
    sampleEvent(number, nowMs - Math.floor(random() ** 1.15 * days * dayMs), random);
  const startedMs = performance.now();
  for (let sent = 0; sent < events; ) {
    const wave = 1 + 0.45 * Math.sin(sent / 900) + 0.25 * random();
    const wanted = seconds === 0 ? eventsPerRequest : Math.ceil((events / seconds / 1.1) * wave);
    const batch = Array.from({ length: Math.min(wanted, events - sent) }, (_, n) => next(sent + n));
    if (seconds > 0 && random() < repeatedShare) batch.push(batch[0]!);
    await post(`${url}/api/v1/events`, batch, { Prefer: 'wait=20' });
    sent += batch.length;
    if (seconds === 0) continue;
    if (random() < refusedShare) await fetch(`${url}/api/v1/events`, { method: 'POST', body: '{}' });
    await Bun.sleep(Math.max(0, startedMs + (sent / events) * seconds * 1_000 - performance.now()));
  }
}

/** More of it by day than at night, more for some customers than for others, and now and then a bad value. */
export function sampleEvent(number: number, aroundMs: number, random: () => number) {
  const hour = new Date(aroundMs).getUTCHours();
  const isNight = hour < 6 || hour > 20;
  const timeMs = isNight && random() < 0.7 ? aroundMs - 10 * 3_600_000 : aroundMs;
  const subject = customers[Math.floor(random() ** 2 * customers.length)]!;
  const kind = random();
  const common = {
    specversion: '1.0',
    id: `sample-${number}`,
    source: 'chat-service',
    subject,
    time: new Date(timeMs).toISOString(),
  };
  if (kind < 0.08) return { ...common, type: 'login', data: { user: `user-${Math.floor(random() * 90)}` } };
  if (kind < 0.14)
    return { ...common, type: 'storage', data: { gigabytes: Math.round(random() * 400) / 100 } };
  const model = models[Math.floor(random() ** 1.4 * models.length)]!;
  const tokens = Math.round(200 + random() ** 3 * 9_000);
  const data = {
    tokens: random() < 0.002 ? 'many' : tokens,
    model,
    region: regions[random() < 0.7 ? 0 : 1],
    seconds: Math.round(random() * 4_000) / 1_000,
  };
  return { ...common, type: 'prompt', data };
}

/** A small generator (mulberry32), so that pictures and tests repeat. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<void> {
  const type = Array.isArray(body) ? 'application/cloudevents-batch+json' : 'application/json';
  const response = await directFetch(url, {
    method: 'POST',
    headers: { 'Content-Type': type, ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}
