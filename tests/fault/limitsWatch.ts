import { Receiver } from '../limits/receiver.ts';
import type { Stack } from './stack.ts';

/** Customers whose thresholds the load reaches; each subject of the load is one. */
const customers = 10;
/** Spread over the events of a round, as few as there may be of a subject. */
const thresholds = { quick: [5, 15, 30, 45], whole: [10, 50, 100, 200, 300, 400] };
const holdSeconds = 2;
const untilMsMax = 90_000;
const pollMs = 100;

interface Fired {
  id: string;
  payload: { data: { customer: { key: string }; threshold: object; skippedThresholds: object[] } };
}

/** What a round sets up to be limited, warned and held, and what must have become of it in the end. */
export class LimitsWatch {
  readonly #receiver = new Receiver();
  readonly #feature: string;
  readonly #thresholds: number[];
  #holds = 0;

  constructor(
    readonly stack: Stack,
    type: string,
    quick: boolean,
  ) {
    this.#thresholds = quick ? thresholds.quick : thresholds.whole;
    this.#feature = type.replaceAll(/[^a-z0-9]/g, '_');
  }

  /** A feature of the meter, an entitlement of each customer, a rule, and a channel that leads here. */
  async begin(meterSlug: string): Promise<void> {
    this.#receiver.secret = Buffer.from('a secret of twenty-four b').toString('base64');
    await this.#ask('POST', '/api/v1/features', { key: this.#feature, name: 'fault', meterSlug });
    for (let n = 0; n < customers; n++) {
      await this.#ask('POST', '/api/v1/customers', { name: `customer ${n}`, key: `customer-${n}` }, [409]);
      await this.#ask('POST', `/api/v2/customers/customer-${n}/entitlements`, {
        type: 'metered',
        featureKey: this.#feature,
        usagePeriod: { interval: 'YEAR', anchor: '2026-01-01T00:00:00Z' },
        measureUsageFrom: '2000-01-01T00:00:00Z',
        issueAfterReset: 1_000_000_000,
      });
    }
    const channel = { type: 'WEBHOOK', name: 'fault', url: this.#receiver.url('/') };
    const { id } = await this.#ask('POST', '/api/v1/notification/channels', {
      ...channel,
      signingSecret: this.#receiver.secret,
    });
    await this.#ask('POST', '/api/v1/notification/rules', {
      type: 'entitlements.balance.threshold',
      name: 'fault',
      features: [this.#feature],
      thresholds: this.#thresholds.map((value) => ({ type: 'usage_value', value })),
      channels: [id],
    });
  }

  /** Holds of customers; those that fail because something is down are let go. */
  async hold(): Promise<void> {
    for (let n = 0; n < customers; n++) {
      const lockId = `${this.#feature}-${this.#holds++}`;
      const hold = { featureKey: this.#feature, amount: 1, lockId, expiresInSeconds: holdSeconds };
      await this.#ask('POST', `/api/v1/customers/customer-${n}/reservations`, hold).catch(() => undefined);
    }
  }

  /** Waits until every threshold has fired, every webhook came and no hold is left; returns what is wrong. */
  async end(): Promise<string[]> {
    const broken: string[] = [];
    const wanted = customers * this.#thresholds.length;
    const lost = await this.#until(async () => wanted - new Set(keysOf(await this.#fired())).size);
    if (lost > 0) broken.push(`${lost} of ${wanted} thresholds never fired`);
    const fired = await this.#fired();
    const keys = keysOf(fired);
    const twice = keys.length - new Set(keys).size;
    if (twice > 0) broken.push(`${twice} thresholds fired twice`);
    const received = () => new Set(this.#receiver.received.map(({ id }) => id));
    const missing = await this.#until(async () => fired.filter(({ id }) => !received().has(id)).length);
    if (missing > 0) broken.push(`${missing} webhooks never came`);
    const leaked = await this.#until(async () => {
      let holding = 0;
      for (let n = 0; n < customers; n++) {
        const path = `/api/v2/customers/customer-${n}/entitlements/${this.#feature}/value`;
        if ((await this.#ask('GET', path)).reserved !== 0) holding++;
      }
      return holding;
    });
    if (leaked > 0) broken.push(`holds of ${leaked} customers are left`);
    await this.#receiver.stop();
    return broken;
  }

  get note(): string {
    return `${customers * this.#thresholds.length} thresholds, ${this.#receiver.received.length} webhooks came, ${this.#holds} holds asked for`;
  }

  async #fired(): Promise<Fired[]> {
    const query = `feature=${this.#feature}&page=1&pageSize=1000`;
    return (await this.#ask('GET', `/api/v1/notification/events?${query}`)).items;
  }

  /** Until nothing is missing; how much still is, in the end. */
  async #until(missing: () => Promise<number>): Promise<number> {
    const deadline = performance.now() + untilMsMax;
    for (;;) {
      const left = await missing().catch(() => Number.NaN);
      if (left === 0 || performance.now() > deadline) return left;
      await Bun.sleep(pollMs);
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  async #ask(method: string, path: string, body?: object, fine: number[] = []): Promise<any> {
    const answer = await fetch(`${this.stack.app('gateway').url}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', ...this.stack.headers() },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok && !fine.includes(answer.status))
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }
}

/** One for each threshold that events name. */
function keysOf(events: readonly Fired[]): string[] {
  return events.flatMap(({ payload: { data } }) =>
    [data.threshold, ...data.skippedThresholds].map((one) => `${data.customer.key} ${JSON.stringify(one)}`),
  );
}
