import type { Redis } from 'ioredis';
import { Problem } from '../http/problem.ts';
import type { ApiKey } from './key.ts';
import { countInRedis, Quota } from './quota.ts';

interface KeyQuotas {
  requests: Quota | undefined;
  events: Quota | undefined;
}

/**
 * The rate limits of keys, in requests and in events, shared by all apps (lib/auth/quota.ts). A key without limits
 * costs one look-up.
 */
export class RateLimits {
  readonly #redis: Redis;
  readonly #prefix: string;
  /** Gone with the key objects, which live until the keys are loaded again; Redis keeps the counts. */
  readonly #quotas = new WeakMap<ApiKey, KeyQuotas>();
  readonly #limited = new WeakMap<Request, KeyQuotas>();

  constructor(redis: Redis, streamName: string) {
    this.#redis = redis;
    this.#prefix = `{${streamName}}:rate`;
  }

  /** Throws 429 where the key has no request left. */
  takeRequest(key: ApiKey, request: Request): void {
    const quotas = this.#of(key);
    if (!quotas.requests && !quotas.events) return;
    this.#limited.set(request, quotas);
    if (quotas.requests?.take(1) === false) throw tooMany('requests', quotas.requests, quotas);
  }

  /** All of a request's events or none. Throws 429; 413 for more than the key may ever send at once. */
  takeEvents(key: ApiKey, count: number): void {
    const quotas = this.#of(key);
    if (!quotas.events || quotas.events.take(count)) return;
    const { points } = quotas.events;
    if (count <= points) throw tooMany('events', quotas.events, quotas);
    const detail = `${count} events in one request; this key may send ${points} at once: send them in parts.`;
    throw new Problem('too_large', detail, { headers: headersOf(quotas) });
  }

  /** Of an answer to this request; undefined where its key has no limits. */
  headersFor(request: Request): Record<string, string> | undefined {
    const quotas = this.#limited.get(request);
    return quotas && headersOf(quotas);
  }

  #of(key: ApiKey): KeyQuotas {
    let quotas = this.#quotas.get(key);
    if (!quotas) {
      const { requestsPerSecond, requestsBurst, eventsPerSecond, eventsBurst } = key.limits;
      quotas = {
        requests: this.#quota(`${this.#prefix}:requests:${key.id}`, requestsPerSecond, requestsBurst),
        events: this.#quota(`${this.#prefix}:events:${key.id}`, eventsPerSecond, eventsBurst),
      };
      this.#quotas.set(key, quotas);
    }
    return quotas;
  }

  #quota(name: string, perSecond: number | undefined, burst: number | undefined): Quota | undefined {
    if (perSecond === undefined) return undefined;
    const options = { perSecond, burst: burst ?? perSecond };
    return new Quota(options, (window) => countInRedis(this.#redis, name, window));
  }
}

function tooMany(what: 'requests' | 'events', quota: Quota, quotas: KeyQuotas): Problem {
  const { points, windowSeconds, resetSeconds } = quota.state();
  const window = windowSeconds === 1 ? 'a second' : `${windowSeconds} s`;
  return new Problem(
    'too_many_requests',
    `This API key may ${what === 'events' ? 'send' : 'make'} ${points} ${what} in ${window}; nothing of this request was kept.`,
    { headers: { ...headersOf(quotas), 'Retry-After': String(resetSeconds) } },
  );
}

/** draft-ietf-httpapi-ratelimit-headers. */
function headersOf({ requests, events }: KeyQuotas): Record<string, string> {
  const nowMs = performance.now();
  return {
    'RateLimit-Policy': joined(
      requests && policyOf('requests', requests),
      events && policyOf('events', events),
    ),
    RateLimit: joined(
      requests && leftOf('requests', requests, nowMs),
      events && leftOf('events', events, nowMs),
    ),
  };
}

function joined(requests: string | undefined, events: string | undefined): string {
  return requests && events ? `${requests}, ${events}` : (requests ?? events ?? '');
}

function policyOf(name: string, { points, windowSeconds }: Quota): string {
  return `"${name}";q=${points};w=${windowSeconds}`;
}

function leftOf(name: string, quota: Quota, nowMs: number): string {
  const { left, resetSeconds } = quota.state(nowMs);
  return `"${name}";r=${left};t=${resetSeconds}`;
}
