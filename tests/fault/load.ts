import type { Random } from './random.ts';

export interface LoadOptions {
  /** CloudEvents type of this round's events. */
  type: string;
  /** Gateways that run now. */
  urls: () => string[];
  headers?: Record<string, string>;
  random: Random;
  /** Events to send at the least; numbering goes on until stop() is called. */
  eventsMin: number;
  eventsMax: number;
  /** Target of new events a second; once there are eventsMin of them, a tenth of it. */
  rate: number;
  /** The clock that ids with a time of their own are made by, in ms since 1970. */
  idClockMs?: () => number;
  /** Nothing is sent any more. */
  over?: AbortSignal | undefined;
}

export interface LoadTotals {
  /** Events in all requests, the repeated ones included. */
  sent: number;
  /** Different events that were answered 2xx at least once: all that were numbered, at the end. */
  accepted: number;
  /** Events that were sent again because nothing or no 2xx had come. */
  retried: number;
  /** Events that were sent again after a 2xx, as a client does whose answer got lost. */
  repeated: number;
}

interface Numbered {
  first: number;
  count: number;
  ids: string[];
}

const clients = 8;
const batchEventsMax = 400;
const answerMsMax = 10_000;
const retryMsMin = 20;
const retryMsMax = 250;
const acceptedKept = 300;
const trickleShare = 0.1;
/** What the clients make up for at most when they were kept waiting, beyond the rate. */
const behindMsMax = 1_000;
const hourMs = 3_600_000;
export const formerDays = 6;
export const subjects = 40;
export const models = ['small', 'medium', 'large'] as const;

/** Exact amount of event n, in hundredths: sums of them are known without asking anybody. */
export function amountHundredths(n: number): number {
  return ((n * 7_919) % 100_000) + 1;
}

/**
 * Clients that send numbered events and keep sending what wasn't answered 2xx: the same ids, in half of the cases with
 * a new `time`. Some batches are sent once more although they were answered.
 */
export class Load {
  readonly totals: LoadTotals = { sent: 0, accepted: 0, retried: 0, repeated: 0 };
  /** Answers by status; `none` for those that never came. */
  readonly answers = new Map<string, number>();
  #options: LoadOptions;
  #next = 0;
  #stopping = false;
  #stopped = Promise.withResolvers<void>();
  #hurrying = Promise.withResolvers<void>();
  #isHurrying = false;
  /** When the next batch is due. */
  #dueMs = performance.now();
  #done: Promise<unknown>;
  /** Batches that were answered 2xx, the latest last. */
  #accepted: Numbered[] = [];
  #held: PromiseWithResolvers<void> | undefined;
  /** Batches on their way, from their first attempt to their last repetition. */
  #sending = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#client(options.random.fork())));
  }

  /** Events 0 up to this were numbered. */
  get numbered(): number {
    return this.#next;
  }

  get eventsMax(): number {
    return this.#options.eventsMax;
  }

  /** Events that finish() waits for. */
  get left(): number {
    return Math.max(this.#next, this.#options.eventsMin) - this.totals.accepted;
  }

  get allAccepted(): boolean {
    return this.totals.accepted === this.#next;
  }

  /** Events for the caller to send: as JSON, an array. They count as accepted. */
  take(count: number, timeMs = Date.now()): { json: string; ids: string[] } {
    const batch = this.#number(count);
    this.totals.accepted += count;
    this.totals.sent += count;
    return { json: bodyOf(this.#options.type, batch, timeMs), ids: batch.ids };
  }

  /** Sends batches again that were answered 2xx a while ago, each with a new time. */
  async sendAgain(batches: number, random: Random): Promise<void> {
    for (let n = 0; n < batches && this.#accepted.length > 0; n++) {
      const batch = random.pick(this.#accepted);
      this.totals.repeated += batch.count;
      await this.#send(batch, this.#newTime(random));
    }
  }

  /** Resolves when nothing is under way any more, and forgets what was accepted: nothing of it is ever sent again. */
  async hold(): Promise<void> {
    this.#held = Promise.withResolvers<void>();
    while (this.#sending > 0) await Bun.sleep(5);
    this.#accepted = [];
  }

  goOn(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** As fast as it goes, whatever the rate, until calmDown(). */
  hurry(): void {
    this.#isHurrying = true;
    this.#hurrying.resolve();
  }

  calmDown(): void {
    this.#isHurrying = false;
    this.#hurrying = Promise.withResolvers<void>();
  }

  /**
   * Sends what is missing to eventsMin as fast as it goes, then numbers no new events; resolves when every one was
   * answered 2xx.
   */
  async finish(msMax: number): Promise<boolean> {
    this.#stopping = true;
    this.#stopped.resolve();
    return Promise.race([this.#done.then(() => true), Bun.sleep(msMax).then(() => false)]);
  }

  async #client(random: Random): Promise<void> {
    const { eventsMin, eventsMax, over } = this.#options;
    while (!over?.aborted && this.#next < eventsMax && !(this.#stopping && this.#next >= eventsMin)) {
      const count = Math.min(
        random.chance(0.3) ? 1 : random.between(2, batchEventsMax),
        eventsMax - this.#next,
      );
      await this.#held?.promise;
      this.#sending++;
      await this.#untilAccepted(this.#number(count), random);
      this.#sending--;
      await this.#untilDue(count);
    }
  }

  /** Keeps the rate of all clients together. */
  async #untilDue(count: number): Promise<void> {
    const { eventsMin, rate } = this.#options;
    const nowMs = performance.now();
    const eventsASecond = this.#next < eventsMin ? rate : rate * trickleShare;
    this.#dueMs = Math.max(this.#dueMs, nowMs - behindMsMax) + (count / eventsASecond) * 1_000;
    if (this.#isHurrying) this.#dueMs = nowMs;
    if (this.#dueMs > nowMs && !this.#stopping)
      await Promise.race([Bun.sleep(this.#dueMs - nowMs), this.#stopped.promise, this.#hurrying.promise]);
  }

  async #untilAccepted(batch: Numbered, random: Random): Promise<void> {
    let timeMs = this.#newTime(random);
    for (let tries = 0; !this.#options.over?.aborted; tries++) {
      if (tries > 0) {
        this.totals.retried += batch.count;
        if (random.chance(0.5)) timeMs = this.#newTime(random);
        await Bun.sleep(Math.min(retryMsMin * 2 ** tries, retryMsMax) * (0.5 + random.next() / 2));
      }
      if (await this.#send(batch, timeMs)) break;
    }
    if (this.#options.over?.aborted) return;
    this.totals.accepted += batch.count;
    this.#accepted.push(batch);
    if (this.#accepted.length > acceptedKept) this.#accepted.shift();
    if (random.chance(0.05)) {
      this.totals.repeated += batch.count;
      await this.#send(batch, random.chance(0.5) ? this.#newTime(random) : timeMs);
    }
  }

  /** Within the last two hours: several rollup windows, late events among them. Some on the days before, closed or not. */
  #newTime(random: Random): number {
    if (!random.chance(0.15)) return Date.now() - random.between(0, 2 * hourMs);
    const thisHour = Math.floor(Date.now() / hourMs) * hourMs;
    return thisHour - (random.between(1, formerDays) * 24 + random.between(0, 3) * 6) * hourMs;
  }

  /** Ids of every kind: opaque ones and such that carry their own time. */
  #number(count: number): Numbered {
    const { type, idClockMs = Date.now } = this.#options;
    const first = this.#next;
    this.#next += count;
    const clockMs = idClockMs();
    const ids = Array.from({ length: count }, (_, i) =>
      (first + i) % 3 === 0 ? Bun.randomUUIDv7('hex', clockMs) : `${type}-${first + i}`,
    );
    return { first, count, ids };
  }

  async #send(batch: Numbered, timeMs: number): Promise<boolean> {
    const urls = this.#options.urls();
    const url = urls[Math.floor(Math.random() * urls.length)];
    this.totals.sent += batch.count;
    let status = 'none';
    try {
      if (url === undefined) throw new Error('no gateway runs');
      const response = await fetch(`${url}/api/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/cloudevents-batch+json', ...this.#options.headers },
        body: bodyOf(this.#options.type, batch, timeMs),
        signal: AbortSignal.timeout(answerMsMax),
      });
      await response.arrayBuffer();
      status = String(response.status);
    } catch {
      // no answer: it may have been taken or not
    }
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    return status.startsWith('2');
  }
}

function bodyOf(type: string, { first, ids }: Numbered, timeMs: number): string {
  const events = ids.map((id, i) => {
    const n = first + i;
    const time = new Date(timeMs + (n % 600) * 100).toISOString();
    const hundredths = amountHundredths(n);
    const amount = `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;
    return `{"specversion":"1.0","id":"${id}","source":"fault-suite","type":"${type}","subject":"customer-${n % subjects}","time":"${time}","data":{"n":${n},"amount":"${amount}","model":"${models[n % models.length]}","user":"u${n % 500}"}}`;
  });
  return `[${events.join(',')}]`;
}
