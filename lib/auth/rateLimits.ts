import { Problem } from '../http/problem.ts';
import type { RedisClient } from '../stream/redis.ts';
import type { ApiKey } from './key.ts';
import { countInRedis, Quota } from './quota.ts';

interface KeyQuotas {
  requests: Quota | undefined;
  events: Quota | undefined;
  /** Of answers, kept while they say the same. */
  headers: { 'RateLimit-Policy': string; RateLimit: string };
  shownRequests: string;
  shownEvents: string;
}

/** A property of the request's own costs a tenth of an entry in a WeakMap, which the garbage collector goes through. */
const quotasOf = Symbol('quotas');
interface LimitedRequest extends Request {
  [quotasOf]?: KeyQuotas;
}

/**
 * The rate limits of keys, in requests and in events, shared by all apps (lib/auth/quota.ts). A key without limits
 * costs one look-up.
 */
export class RateLimits {
  readonly #redis: RedisClient;
  readonly #prefix: string;
  /** Gone with the key objects, which live until they are revoked. */
  readonly #quotas = new WeakMap<ApiKey, KeyQuotas>();

  constructor(redis: RedisClient, streamName: string) {
    this.#redis = redis;
    // Without the stream's hash tag: a cluster spreads the counters over its nodes.
    this.#prefix = `${streamName}:rate`;
  }

  /** Throws 429 where the key has no request left. */
  takeRequest(key: ApiKey, request: LimitedRequest): void {
    const quotas = this.#of(key);
    if (!quotas) return;
    request[quotasOf] = quotas;
    const nowMs = performance.now();
    quotas.events?.look(nowMs);
    if (quotas.requests?.take(1, nowMs) === false) throw tooMany('make', 'requests', quotas.requests, quotas);
  }

  /** All of a request's events or none. Throws 429; 413 for more than the key may ever send at once. */
  takeEvents(key: ApiKey, count: number): void {
    const quotas = this.#of(key);
    if (!quotas?.events || quotas.events.take(count)) return;
    const { points } = quotas.events;
    if (count <= points) throw tooMany('send', 'events', quotas.events, quotas);
    const detail = `${count} events in one request; this key may send ${points} at once: send them in parts.`;
    throw new Problem('too_large', detail, { headers: headersOf(quotas) });
  }

  /** Of an answer to this request; undefined where its key has no limits. */
  headersFor(request: LimitedRequest): Record<string, string> | undefined {
    const quotas = request[quotasOf];
    return quotas && headersOf(quotas);
  }

  #of(key: ApiKey): KeyQuotas | undefined {
    const { requestsPerSecond, eventsPerSecond } = key.limits;
    if (requestsPerSecond === undefined && eventsPerSecond === undefined) return undefined;
    let quotas = this.#quotas.get(key);
    if (quotas === undefined) {
      quotas = this.#make(key);
      this.#quotas.set(key, quotas);
    }
    return quotas;
  }

  #make({ id, limits }: ApiKey): KeyQuotas {
    const { requestsPerSecond, requestsBurst, eventsPerSecond, eventsBurst } = limits;
    const requests = this.#quota('requests', id, requestsPerSecond, requestsBurst);
    const events = this.#quota('events', id, eventsPerSecond, eventsBurst);
    const policy = joined(requests?.policy, events?.policy);
    const headers = { 'RateLimit-Policy': policy, RateLimit: '' };
    return { requests, events, headers, shownRequests: '', shownEvents: '' };
  }

  #quota(
    name: 'requests' | 'events',
    keyId: string,
    perSecond: number | undefined,
    burst: number | undefined,
  ): Quota | undefined {
    if (perSecond === undefined) return undefined;
    const options = { name, perSecond, burst: burst ?? perSecond };
    const counter = `${this.#prefix}:${name}:${keyId}`;
    return new Quota(options, (window) => countInRedis(this.#redis, counter, window));
  }
}

function tooMany(may: 'send' | 'make', what: 'requests' | 'events', quota: Quota, quotas: KeyQuotas) {
  const { points, windowSeconds, resetSeconds } = quota;
  const window = windowSeconds === 1 ? 'a second' : `${windowSeconds} s`;
  return new Problem(
    'too_many_requests',
    `This API key may ${may} ${points} ${what} in ${window}; nothing of this request was kept.`,
    { headers: { ...headersOf(quotas), 'Retry-After': String(resetSeconds) } },
  );
}

/** draft-ietf-httpapi-ratelimit-headers. */
function headersOf(quotas: KeyQuotas): Record<string, string> {
  const requests = quotas.requests?.left ?? '';
  const events = quotas.events?.left ?? '';
  if (requests !== quotas.shownRequests || events !== quotas.shownEvents) {
    quotas.shownRequests = requests;
    quotas.shownEvents = events;
    quotas.headers = { ...quotas.headers, RateLimit: joined(requests, events) };
  }
  return quotas.headers;
}

function joined(requests = '', events = ''): string {
  return requests && events ? `${requests}, ${events}` : requests || events;
}
