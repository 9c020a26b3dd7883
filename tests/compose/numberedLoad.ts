/**
 * Numbered events, each sent until it is acknowledged, with the same id: after any fault exactly the acknowledged events
 * must be stored, each once.
 */
export interface Reconciliation {
  /** Distinct events acknowledged. */
  events: number;
  /** What a SUM meter over `$.tokens` must answer. */
  tokens: number;
  requests: number;
  /** Attempts that failed, by status and what the answer says, or by error. */
  failures: Map<string, number>;
  longestMs: number;
}

export interface LoadPlan {
  url: string;
  /** API key, where AUTH=keys. */
  key?: string;
  /** Unique among all loads of a stack. */
  run: string;
  eventsPerRequest: number;
  senders: number;
  /** Pause of a sender between two requests. */
  pauseMs: number;
}

const retryPauseMs = 100;
const requestMsMax = 20_000;
export const subjects = 10;

export class NumberedLoad {
  readonly reconciliation: Reconciliation = {
    events: 0,
    tokens: 0,
    requests: 0,
    failures: new Map(),
    longestMs: 0,
  };
  #stopping = false;
  #done: Promise<unknown>;
  #next = 0;

  constructor(readonly plan: LoadPlan) {
    this.#done = Promise.all(Array.from({ length: plan.senders }, () => this.#send()));
  }

  /** Resolves when everything that was begun is acknowledged. */
  async stop(): Promise<Reconciliation> {
    this.#stopping = true;
    await this.#done;
    return this.reconciliation;
  }

  async #send(): Promise<void> {
    const { eventsPerRequest, pauseMs } = this.plan;
    while (!this.#stopping) {
      const from = this.#next;
      this.#next += eventsPerRequest;
      await this.#sendUntilAcknowledged(from);
      if (pauseMs > 0) await Bun.sleep(pauseMs);
    }
  }

  async #sendUntilAcknowledged(from: number): Promise<void> {
    const { run, url, key, eventsPerRequest } = this.plan;
    const events = Array.from({ length: eventsPerRequest }, (_, index) => {
      const number = from + index;
      return {
        specversion: '1.0',
        id: `${run}-${number}`,
        source: 'load',
        type: 'prompt',
        subject: `customer-${number % subjects}`,
        time: new Date().toISOString(),
        data: { tokens: number % 100, model: number % 2 ? 'large' : 'small' },
      };
    });
    const body = JSON.stringify(events);
    const startedMs = performance.now();
    for (;;) {
      const failure = await post(url, body, key);
      if (failure === undefined) break;
      this.reconciliation.failures.set(failure, (this.reconciliation.failures.get(failure) ?? 0) + 1);
      await Bun.sleep(retryPauseMs);
    }
    this.reconciliation.longestMs = Math.max(this.reconciliation.longestMs, performance.now() - startedMs);
    this.reconciliation.requests++;
    this.reconciliation.events += events.length;
    for (const { data } of events) this.reconciliation.tokens += data.tokens;
  }
}

/** undefined when the events were taken. */
async function post(url: string, body: string, key: string | undefined): Promise<string | undefined> {
  try {
    const response = await fetch(`${url}/api/v1/events`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/cloudevents-batch+json',
        ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      },
      body,
      keepalive: false, // a connection each: as if from many clients
      signal: AbortSignal.timeout(requestMsMax),
    });
    if (response.status === 204) return undefined;
    return `${response.status} ${detailOf(await response.text())}`.trim();
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

function detailOf(body: string): string {
  try {
    return (JSON.parse(body) as { detail?: string }).detail ?? '';
  } catch {
    return '';
  }
}
