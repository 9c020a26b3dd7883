/**
 * The events the scenarios send: three types of about 240 bytes, thousands of subjects of which a few are busy. Request
 * bodies are made before the clock starts; only ids and times are written into them as they are sent, as clients do.
 */
export const loadMeters = [
  {
    slug: 'load_tokens',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy: { model: '$.model', direction: '$.direction' },
  },
  { slug: 'load_calls', eventType: 'api-call', aggregation: 'COUNT' },
  { slug: 'load_gigabytes', eventType: 'storage', aggregation: 'SUM', valueProperty: '$.gigabytes' },
];

export interface Workload {
  eventsPerRequest: number;
  /** UUIDv7, made at the event's time; or UUIDv4. */
  ids: 'v7' | 'v4';
  /** Shares, 0 to 1: sent before already; happened hours or days ago; with a value that can't be measured. */
  duplicates: number;
  late: number;
  badValues: number;
  /** How many there are; subjectCount where undefined. */
  subjects?: number;
}

export const cleanBatches: Workload = {
  eventsPerRequest: 500,
  ids: 'v7',
  duplicates: 0,
  late: 0,
  badValues: 0,
};

export const subjectCount = 5_000;
/** An event is sent again when its body's turn comes round: after so many others. */
const pooledEvents = 100_000;
/** Clients send once a second what has happened since. */
const spanMs = 1_000;
const hourMs = 3_600_000;
const lateMsMax = 72 * hourMs;

interface PooledRequest {
  body: Buffer;
  idsAt: Int32Array;
  timesAt: Int32Array;
}

export class EventPool {
  readonly #requests: PooledRequest[] = [];
  #next = 0;

  constructor(
    readonly workload: Workload,
    eventsPooled = pooledEvents,
  ) {
    const random = seededRandom(4_711);
    const count = Math.ceil(eventsPooled / workload.eventsPerRequest);
    for (let n = 0; n < count; n++) this.#requests.push(makeRequest(workload, random));
    for (const request of this.#requests) this.#stamp(request, Date.now() - spanMs, spanMs, 0);
  }

  /** A body with new ids and times of the last second; valid until its turn comes again. */
  next(): Buffer {
    return this.nextWithin(Date.now() - spanMs, spanMs);
  }

  /** The same with times spread over a stretch. */
  nextWithin(fromMs: number, lengthMs: number): Buffer {
    const request = this.#requests[this.#next]!;
    this.#next = (this.#next + 1) % this.#requests.length;
    this.#stamp(request, fromMs, lengthMs, this.workload.duplicates);
    return request.body;
  }

  #stamp({ body, idsAt, timesAt }: PooledRequest, fromMs: number, lengthMs: number, duplicates: number) {
    const { ids, late } = this.workload;
    const count = idsAt.length;
    for (let n = 0; n < count; n++) {
      // Left as it is, the event is the one that was sent in the round before.
      if (duplicates > 0 && Math.random() < duplicates) continue;
      let ms = Math.floor(fromMs + (lengthMs * (n + Math.random())) / count);
      if (late > 0 && Math.random() < late) ms -= Math.floor(hourMs + Math.random() * (lateMsMax - hourMs));
      if (ids === 'v7') writeUuidV7(body, idsAt[n]!, ms);
      else body.write(crypto.randomUUID(), idsAt[n]!, 'latin1');
      writeTime(body, timesAt[n]!, ms);
    }
  }
}

const noId = '00000000-0000-7000-8000-000000000000';
const noTime = '2026-01-01T00:00:00.000Z';

function makeRequest(workload: Workload, random: () => number): PooledRequest {
  const { eventsPerRequest } = workload;
  const events = Array.from({ length: eventsPerRequest }, () => eventText(random, workload));
  const text = eventsPerRequest === 1 ? events[0]! : `[${events.join(',')}]`;
  const idsAt = new Int32Array(eventsPerRequest);
  const timesAt = new Int32Array(eventsPerRequest);
  let at = 0;
  for (let n = 0; n < eventsPerRequest; n++) {
    idsAt[n] = text.indexOf(noId, at);
    timesAt[n] = text.indexOf(noTime, idsAt[n]);
    at = timesAt[n]!;
  }
  return { body: Buffer.from(text, 'latin1'), idsAt, timesAt };
}

const models = ['gpt-5', 'gpt-5-mini', 'claude-opus', 'claude-sonnet', 'gemini-pro', 'mistral-large'];
const directions = ['input', 'output'];
const routes = ['/v1/documents', '/v1/documents/:id', '/v1/search', '/v1/users/:id', '/v1/sessions'];
const regions = ['eu-central-1', 'us-east-1', 'ap-south-1'];

function eventText(random: () => number, { badValues, subjects = subjectCount }: Workload): string {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!;
  const upTo = (max: number) => Math.floor(random() * max);
  // The busiest of 5,000 has 6 % of the events, the busier half 80 %.
  const subject = subjectName(Math.floor(subjects * random() ** 3));
  const bad = random() < badValues;
  const kind = random();
  let source: string;
  let type: string;
  let data: Record<string, unknown>;
  if (kind < 0.6) {
    [source, type] = ['chat-service', 'prompt'];
    const tokens = bad ? 'n/a' : 1 + upTo(4_000);
    data = { model: pick(models), direction: pick(directions), tokens, latencyMs: upTo(9_000) };
  } else if (kind < 0.9) {
    [source, type] = ['api-service', 'api-call'];
    data = { method: 'GET', route: pick(routes), status: 200, durationMs: upTo(900) };
  } else {
    [source, type] = ['storage-service', 'storage'];
    const gigabytes = bad ? null : (random() * 500).toFixed(2);
    data = { region: pick(regions), class: 'standard', gigabytes, objects: upTo(100_000) };
  }
  return JSON.stringify({ specversion: '1.0', id: noId, source, type, subject, time: noTime, data });
}

export function subjectName(index: number): string {
  return `customer-${String(index).padStart(5, '0')}`;
}

/** The same pool of events in every run. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const hexDigits = Buffer.from('0123456789abcdef');

function writeHex(bytes: Buffer, at: number, value: number, digits: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    bytes[place] = hexDigits[rest & 15]!;
    rest >>>= 4;
  }
}

/** Over a UUIDv7 that is there: dashes and version stay. RFC 9562 with 74 random bits. */
function writeUuidV7(bytes: Buffer, at: number, ms: number): void {
  writeHex(bytes, at, Math.floor(ms / 65_536), 8);
  writeHex(bytes, at + 9, ms & 0xffff, 4);
  writeHex(bytes, at + 15, Math.random() * 0x1000, 3);
  writeHex(bytes, at + 19, 0x8000 + Math.random() * 0x4000, 4);
  writeHex(bytes, at + 24, Math.random() * 2 ** 32, 8);
  writeHex(bytes, at + 32, Math.random() * 0x10000, 4);
}

let writtenSecond = 0;
let secondText = '';

function writeTime(bytes: Buffer, at: number, ms: number): void {
  const second = Math.floor(ms / 1_000);
  if (second !== writtenSecond) {
    writtenSecond = second;
    secondText = new Date(second * 1_000).toISOString().slice(0, 20);
  }
  bytes.write(secondText, at, 'latin1');
  const rest = ms - second * 1_000;
  bytes[at + 20] = 48 + Math.floor(rest / 100);
  bytes[at + 21] = 48 + (Math.floor(rest / 10) % 10);
  bytes[at + 22] = 48 + (rest % 10);
}
