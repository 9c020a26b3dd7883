import { endUs } from '@usage/lib/event/time.ts';
import { directFetch } from '@usage/lib/http/directFetch.ts';
import { hourUs } from '@usage/lib/windows/units.ts';
import type { ReadEvent } from './eventOf.ts';

/** Below what a gateway takes by default. */
export const requestEventsMax = 500;
const requestCharsMax = 2 * 1024 * 1024;
const requestsInFlightMax = 4;
const requestMsMax = 30_000;
/** Around the times of events that are looked up. */
const marginUs = hourUs;
const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What the gateway answered, or that it didn't: the same request may succeed later. */
export class GatewayError extends Error {
  override name = 'GatewayError';

  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** An event that the gateway refused as it is, by its place among those that were sent. */
export interface Refused {
  index: number;
  reason: string;
}

/** The gateway's HTTP API, as far as a source of events needs it. */
export class Gateway {
  constructor(
    readonly url: string,
    readonly apiKey: string | undefined,
  ) {}

  /**
   * Sends events in a few requests at once. Resolves once the gateway has acknowledged or refused each of them; throws a
   * GatewayError where some of them may not be there: all of them have to be sent again then, which changes nothing for the others.
   */
  async send(events: readonly ReadEvent[]): Promise<Refused[]> {
    const requests = cut(events);
    const refused: Refused[] = [];
    let next = 0;
    const work = async () => {
      for (let at = next++; at < requests.length; at = next++) {
        const { first, batch } = requests[at]!;
        for (const one of await this.#post(batch)) refused.push({ ...one, index: first + one.index });
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: requestsInFlightMax }, work));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return refused;
  }

  /** Those of the events that are not stored, however long ago they came: for what is older than the window of duplicates. */
  async notStored<Event extends ReadEvent>(events: readonly Event[]): Promise<Event[]> {
    const missing: Event[] = [];
    for (const { batch } of cut(events)) {
      const body = JSON.stringify({ ids: batch.map(({ id }) => id), ...rangeOf(batch) });
      const answer = await this.#request('/api/v1/events/lookup', 'application/json', body);
      if (!answer.ok) throw await errorOf(answer, 'to look old events up, which needs the scope read');
      const { stored } = (await answer.json()) as { stored: { id: string; source: string }[] };
      const known = new Set(stored.map(({ id, source }) => JSON.stringify([source, id])));
      for (const event of batch)
        if (!known.has(JSON.stringify([event.source, event.id]))) missing.push(event as Event);
    }
    return missing;
  }

  async #post(batch: readonly ReadEvent[]): Promise<Refused[]> {
    const body = `[${batch.map(({ text }) => text).join(',')}]`;
    const answer = await this.#request('/api/v1/events', 'application/cloudevents-batch+json', body);
    if (answer.status === 204) return [];
    if (answer.ok) {
      const { events = [] } = (await answer.json()) as { events?: EventAnswer[] };
      return events.filter(({ outcome }) => outcome === 'rejected').map(refusedOf);
    }
    if (answer.status !== 400 && answer.status !== 413) throw await errorOf(answer, 'events');
    const problem = (await answer.json().catch(() => ({}))) as Problem;
    const issues = problem.extensions?.validationErrors ?? [];
    const byIndex = batch.map((_, index) => issues.filter((issue) => issue.index === index));
    if (byIndex.every((own) => own.length > 0))
      return byIndex.map((own, index) => refusedOf({ index, validationErrors: own }));
    // The request as a whole was refused: which of its events is to blame?
    if (batch.length === 1)
      return [{ index: 0, reason: problem.detail ?? `the gateway answers ${answer.status}` }];
    const half = Math.ceil(batch.length / 2);
    const first = await this.#post(batch.slice(0, half));
    const second = await this.#post(batch.slice(half));
    return [...first, ...second.map((one) => ({ ...one, index: one.index + half }))];
  }

  async #request(path: string, type: string, body: string): Promise<Response> {
    const headers: Record<string, string> = { 'Content-Type': type, Prefer: 'handling=lenient' };
    if (this.apiKey !== undefined) headers.Authorization = `Bearer ${this.apiKey}`;
    const url = this.url.replace(/\/+$/, '') + path;
    const send = loopback.test(new URL(url).hostname) ? directFetch : fetch;
    try {
      return await send(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(requestMsMax) });
    } catch (error) {
      throw new GatewayError(`the gateway can't be reached: ${(error as Error).message}`, 0);
    }
  }
}

interface EventAnswer {
  index: number;
  outcome?: string;
  reason?: string;
  validationErrors?: { field: string; reason: string }[];
}

interface Problem {
  detail?: string;
  extensions?: { validationErrors?: { index?: number; field: string; reason: string }[] };
}

function refusedOf({ index, reason, validationErrors }: EventAnswer): Refused {
  const why = validationErrors?.map((issue) => `${issue.field} ${issue.reason}`.trim()).join('; ');
  return { index, reason: why || (reason ?? 'refused') };
}

async function errorOf(answer: Response, what: string): Promise<GatewayError> {
  const { detail = '' } = (await answer.json().catch(() => ({}))) as Problem;
  const seconds = Number(answer.headers.get('retry-after') ?? 0);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : 0;
  return new GatewayError(`the gateway answers ${answer.status} (${what}): ${detail}`, retryAfterMs);
}

function cut(events: readonly ReadEvent[]): { first: number; batch: ReadEvent[] }[] {
  const requests: { first: number; batch: ReadEvent[] }[] = [];
  let chars = 0;
  for (const [index, event] of events.entries()) {
    const last = requests.at(-1);
    chars += event.text.length;
    if (last && last.batch.length < requestEventsMax && chars <= requestCharsMax) last.batch.push(event);
    else {
      requests.push({ first: index, batch: [event] });
      chars = event.text.length;
    }
  }
  return requests;
}

/** The same message makes the same time: the search is bounded by it where all of them have one. */
function rangeOf(events: readonly ReadEvent[]): { from: string; to: string } | undefined {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { timeUs } of events) {
    if (timeUs === undefined) return undefined;
    from = Math.min(from, timeUs);
    to = Math.max(to, timeUs);
  }
  const text = (us: number) => new Date(Math.floor(us / 1_000)).toISOString();
  return { from: text(Math.max(from - marginUs, 0)), to: text(Math.min(to + marginUs, endUs - 1)) };
}
