import type { Logger } from '../service/log.ts';
import type { ActiveKey } from './key.ts';
import { isHashOf, isKeyToken, prefixIn } from './token.ts';

/** Where the keys are kept. Both must settle within loadMsMax or be given up. */
export interface KeySource {
  /** Names the state that the keys are in: another text after every change. Not ordered: a restored database has an older one. */
  state(): Promise<string>;
  keys(): Promise<ActiveKey[]>;
  /** Called after a look that took too long: its connection may hang. */
  reset(): void;
}

/** How often an app looks whether keys have changed: with loadMsMax well below the 5 s in which a revocation holds. */
const lookMs = 1_000;
const loadMsMax = 2_000;

/**
 * The active keys in memory, so that authentication asks nobody.
 *
 *   empty ──first load──▶ known ──state changed──▶ known (loaded again)
 *
 * Looks once a second, and at once when it is nudged. While PostgreSQL is away the keys that are known go on working:
 * a revocation can't be written then either. An app cut off from PostgreSQL alone takes a revoked key until it is back.
 */
export class KeyRing {
  readonly #source: KeySource;
  readonly #log: Logger;
  #keys = new Map<string, ActiveKey>();
  #state: string | undefined;
  /** Looks that were begun, and the newest of those that have ended. */
  #looks = 0;
  #ended = 0;
  #lookedAtMs: number | undefined;
  #looking: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  #isFailing = false;

  constructor(source: KeySource, log: Logger) {
    this.#source = source;
    this.#log = log;
  }

  /** False until the keys have been loaded once: until then an unknown key may be a good one. */
  get isLoaded(): boolean {
    return this.#state !== undefined;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Seconds since the keys were last known to be right. */
  get ageSeconds(): number {
    return this.#lookedAtMs === undefined
      ? Number.POSITIVE_INFINITY
      : (performance.now() - this.#lookedAtMs) / 1_000;
  }

  /** The active key that this is; takes a time that doesn't tell how much of a wrong secret is right. */
  find(token: string): ActiveKey | undefined {
    const key = this.#keys.get(prefixIn(token));
    return key && isKeyToken(token) && isHashOf(key.secretHash, token) ? key : undefined;
  }

  /** Looks once, then goes on by itself. Never throws. */
  async start(): Promise<void> {
    await this.look();
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), lookMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Loads the keys where they have changed; waits for a look that is on its way, then looks itself. */
  async look(): Promise<void> {
    await this.#looking;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #look(): Promise<void> {
    const startedMs = performance.now();
    try {
      await withinLimit(this.#load());
      this.#lookedAtMs = startedMs;
      if (this.#isFailing) this.#log.info({ keys: this.size }, 'keys are looked up again');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        this.#log.warn({ err: error }, 'keys cannot be looked up: those that are known go on');
      this.#isFailing = true;
      if (error instanceof LookTooLong) this.#source.reset();
    }
  }

  /** The state is read first: a change between the two is loaded again at the next look, never missed. */
  async #load(): Promise<void> {
    const look = ++this.#looks;
    const state = await this.#source.state();
    const keys = state === this.#state ? undefined : await this.#source.keys();
    // A look that was given up may end late, after a newer one.
    if (look < this.#ended) return;
    this.#ended = look;
    if (!keys) return;
    const before = this.#keys;
    this.#keys = new Map(keys.map((key) => [key.prefix, sameOr(before.get(key.prefix), key)]));
    this.#state = state;
  }
}

/** A key never changes until it is revoked: its object stays, and with it what its limits have counted (rateLimits.ts). */
function sameOr(known: ActiveKey | undefined, key: ActiveKey): ActiveKey {
  return known?.id === key.id ? known : key;
}

class LookTooLong extends Error {}

async function withinLimit(load: Promise<void>): Promise<void> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LookTooLong(`no answer within ${loadMsMax} ms`)), loadMsMax);
  });
  load.catch(() => {});
  try {
    await Promise.race([load, late]);
  } finally {
    clearTimeout(timer);
  }
}
