import type { ClientLimits, ClientOptions, RejectedEvent } from './options.ts';
import { type ProblemBody, UsageRequestError } from './request.ts';

/** Events as they are sent together. */
export interface Batch {
  /** Each as JSON. */
  texts: string[];
  /** When the first of them was tracked. */
  trackedMs: number;
  /** Its name in the spool. */
  name: string | undefined;
}

const hourMs = 3_600_000;
/** The gateway's window counts from the arrival, which may be this much before it is thought to be. */
const marginMs = hourMs;
const firstWaitMs = 100;

/** Sends batches, each until the gateway has it, with the same ids: what came twice counts once. */
export class Sender {
  #reported = '';

  constructor(
    readonly options: ClientOptions,
    readonly limits: ClientLimits,
  ) {}

  /** Resolves to true once the gateway has acknowledged or refused each event; to false when `signal` ends the attempts. */
  async send(batch: Batch, signal: AbortSignal): Promise<boolean> {
    let texts = batch.texts;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        if (Date.now() - batch.trackedMs > this.limits.dedupeHours * hourMs - marginMs)
          texts = await this.#notStored(texts);
        if (texts.length > 0) await this.#post(texts);
        return true;
      } catch (thrown) {
        const error = thrown as Error;
        this.#report(error);
        const askedMs = error instanceof UsageRequestError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
        const backoffMs = Math.min(firstWaitMs * 2 ** Math.min(attempt, 20), this.limits.retryMsMax);
        await this.#wait(Math.max(askedMs, backoffMs * (0.5 + Math.random() / 2)), signal);
      }
    }
    return false;
  }

  /** Throws where the same events may be taken later. */
  async #post(texts: string[]): Promise<void> {
    const answer = await this.#request(
      '/api/v1/events',
      'application/cloudevents-batch+json',
      `[${texts.join(',')}]`,
    );
    if (answer.status === 204) return;
    const problem = (await answer.json().catch(() => ({}))) as Answer;
    if (answer.ok)
      return this.#reject(texts, problem.events?.filter(({ outcome }) => outcome === 'rejected') ?? []);
    if (answer.status === 413 && texts.length > 1) {
      const half = Math.ceil(texts.length / 2);
      await this.#post(texts.slice(0, half));
      return await this.#post(texts.slice(half));
    }
    if (answer.status !== 400 && answer.status !== 413) throw UsageRequestError.of(answer, problem);
    const issues = problem.extensions?.validationErrors ?? [];
    const reasons = texts.map((_, index) => issues.filter((issue) => issue.index === index));
    this.#reject(
      texts,
      reasons.map((own, index) => ({
        index,
        validationErrors: own,
        reason: problem.detail ?? `HTTP ${answer.status}`,
      })),
    );
  }

  /** What is older than the gateway's window of duplicates may be stored already: it is asked. */
  async #notStored(texts: string[]): Promise<string[]> {
    const events = texts.map((text) => JSON.parse(text) as { id: string; source: string });
    const body = JSON.stringify({ ids: events.map(({ id }) => id) });
    const answer = await this.#request('/api/v1/events/lookup', 'application/json', body);
    if (!answer.ok)
      throw UsageRequestError.of(answer, (await answer.json().catch(() => ({}))) as ProblemBody);
    const { stored } = (await answer.json()) as { stored: { id: string; source: string }[] };
    const known = new Set(stored.map(({ id, source }) => JSON.stringify([source, id])));
    return texts.filter((_, index) => !known.has(JSON.stringify([events[index]!.source, events[index]!.id])));
  }

  /** Without a callback the console has each message once. */
  #report(error: Error): void {
    const { onError } = this.options;
    if (onError) queueMicrotask(() => onError(error));
    else if (this.#reported !== error.message) console.warn(`usage events wait to be sent: ${error.message}`);
    this.#reported = error.message;
  }

  #request(path: string, type: string, body: string): Promise<Response> {
    const { url, apiKey } = this.options;
    const headers: Record<string, string> = { 'Content-Type': type, Prefer: 'handling=lenient' };
    if (apiKey !== undefined) headers.Authorization = `Bearer ${apiKey}`;
    const send = this.options.fetch ?? fetch;
    const signal = AbortSignal.timeout(this.limits.requestMsMax);
    return send(url.replace(/\/+$/, '') + path, { method: 'POST', headers, body, signal });
  }

  #reject(texts: string[], bad: readonly EventAnswer[]): void {
    if (bad.length === 0) return;
    const rejected = bad.map(({ index, validationErrors, reason }): RejectedEvent => {
      const why = validationErrors?.map((issue) => `${issue.field} ${issue.reason}`.trim()).join('; ');
      return { event: JSON.parse(texts[index]!), reason: why || (reason ?? 'refused') };
    });
    const report =
      this.options.onRejected ?? ((events) => console.error('usage events were refused', events));
    // An error that the callback throws is no reason to send the events again.
    queueMicrotask(() => report(rejected));
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      // A process that has nothing else to do may end; its last wait is bounded by exitMsMax.
      (timer as { unref?: () => void }).unref?.();
      signal.addEventListener('abort', end);
    });
  }
}

interface EventAnswer {
  index: number;
  outcome?: string;
  reason?: string;
  validationErrors?: { index?: number; field: string; reason: string }[];
}

interface Answer {
  detail?: string;
  events?: EventAnswer[];
  extensions?: { validationErrors?: { index?: number; field: string; reason: string }[] };
}
