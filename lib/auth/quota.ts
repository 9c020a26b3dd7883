import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { RedisClient } from '../stream/redis.ts';

export interface QuotaOptions {
  /** Of what, as clients read it. */
  name: string;
  /** Points in the long run. */
  perSecond: number;
  /**
   * Points at once, rounded up to a whole multiple of perSecond: a window is as many whole seconds as they take at that rate,
   * and holds what the rate gives in it.
   */
  burst: number;
}

export type QuotaWindow = Pick<Quota, 'points' | 'windowSeconds'>;

/** How Redis counts for all apps together. */
export type SharedCount = (points: number) => Promise<{ counted: number; windowMsLeft: number }>;

/** An app reports what it counted to Redis after this long at most. */
const reportMs = 50;
/** An app that has spent this share of a window reports it at once. */
const reportShare = 0.1;
/** What a client reads as left may be wrong by this share of a window's points. */
const shownShare = 0.001;

/**
 * One key's points of a window, counted by all apps together without asking Redis on a request's way: an app decides by
 * what it knows, reports to Redis what it took every 50 ms (sooner when that is much), and learns what the others took.
 * So a key can get, beyond its points, what the other apps took within the last 50 ms.
 *
 * While Redis doesn't answer each app counts by itself: then all apps together let pass at most as many times the
 * points as there are apps. Usage that is paid for is rather taken than refused; nobody is let pass without a limit.
 */
export class Quota {
  readonly points: number;
  readonly windowSeconds: number;
  /** As RateLimit-Policy says it. */
  readonly policy: string;
  readonly #name: string;
  readonly #count: SharedCount;
  #left: number;
  #unreported = 0;
  #endsMs = 0;
  #timer: Timer | undefined;
  #reporting = false;
  /** Of the latest request. */
  #nowMs = 0;
  #shown = '';
  #shownLeft = Number.NaN;
  #shownResetSeconds = 0;

  constructor({ name, perSecond, burst }: QuotaOptions, countOf: (window: QuotaWindow) => SharedCount) {
    this.windowSeconds = Math.max(1, Math.ceil(burst / perSecond));
    this.points = perSecond * this.windowSeconds;
    this.policy = `"${name}";q=${this.points};w=${this.windowSeconds}`;
    this.#name = name;
    this.#left = this.points;
    this.#count = countOf(this);
  }

  /** Takes the points if all of them are left. More than a whole window's can never be taken. */
  take(points: number, nowMs = performance.now()): boolean {
    this.look(nowMs);
    if (points > this.#left) return false;
    this.#left -= points;
    this.#unreported += points;
    if (this.#unreported >= this.points * reportShare) this.#report();
    else this.#timer ??= setTimeout(this.#report, reportMs);
    return true;
  }

  /** Until the window ends, as of the latest request. */
  get resetSeconds(): number {
    return Math.max(1, Math.ceil((this.#endsMs - this.#nowMs) / 1_000));
  }

  /**
   * What is left as RateLimit says it, as of the latest request. The text stays while it is off by less than a
   * thousandth of the window: a limit of 1,000 is shown exactly, and so is an empty one; a limit of a million costs nothing.
   */
  get left(): string {
    const { resetSeconds } = this;
    const allowance = this.points * shownShare;
    const isNear = Math.abs(this.#left - this.#shownLeft) < allowance && this.#left > allowance;
    if (isNear && resetSeconds === this.#shownResetSeconds) return this.#shown;
    this.#shownLeft = this.#left;
    this.#shownResetSeconds = resetSeconds;
    this.#shown = `"${this.#name}";r=${Math.max(0, this.#left)};t=${resetSeconds}`;
    return this.#shown;
  }

  /** Begins a new window where the last one is over. */
  look(nowMs = performance.now()): void {
    this.#nowMs = nowMs;
    if (nowMs < this.#endsMs) return;
    this.#left = this.points;
    this.#unreported = 0;
    this.#endsMs = nowMs + this.windowSeconds * 1_000;
  }

  #report = () => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#reporting || this.#unreported === 0) return;
    const reported = this.#unreported;
    const endsMs = this.#endsMs;
    this.#unreported = 0;
    this.#reporting = true;
    void this.#count(reported)
      .then(({ counted, windowMsLeft }) => {
        this.#left = this.points - counted - this.#unreported;
        this.#endsMs = performance.now() + windowMsLeft;
      })
      .catch(() => {
        if (endsMs === this.#endsMs) this.#unreported += reported;
      })
      .finally(() => {
        this.#reporting = false;
        if (this.#unreported > 0) this.#timer ??= setTimeout(this.#report, reportMs);
      });
  };
}

/** Counts in Redis. Its counters carry a TTL: where Redis is short of memory they may go, and a window begins anew. */
export function countInRedis(
  redis: RedisClient,
  name: string,
  { points, windowSeconds }: QuotaWindow,
): SharedCount {
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: name,
    points,
    duration: windowSeconds,
    rejectIfRedisNotReady: true,
  });
  const windowMsMax = windowSeconds * 1_000;
  return async (taken) => {
    const { consumedPoints, msBeforeNext } = await limiter.penalty('', taken);
    if (msBeforeNext <= windowMsMax) return { counted: consumedPoints, windowMsLeft: msBeforeNext };
    // Redis' clock was set back: the counter would outlive its window by as much, and refuse for as long.
    await limiter.set('', taken, windowSeconds);
    return { counted: taken, windowMsLeft: windowMsMax };
  };
}
