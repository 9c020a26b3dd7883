import type { Logger } from '@usage/lib/service/log.ts';
import type { StreamPressure } from '@usage/lib/stream/stream.ts';

export interface PressureLimits {
  pollMs: number;
  /** Percent of Redis' memory from which on nothing is taken. */
  memoryPercentMax: number;
  /** Taken for the memory of a Redis without maxmemory. */
  memoryBytesMax: number;
  framesMax: number;
}

/** Reopens when the fill is down to this share of the limit: not before a few seconds of work are done. */
const reopenShare = 0.9;

/**
 * Watches how full the event stream is, so that events are refused before Redis has to.
 *
 *   unknown ──first look──▶ open ⇄ full       full: over a limit; open again below reopenShare of it
 *      ▲───────any look that fails─────┘
 */
export class PressureGate {
  readonly #look: () => Promise<StreamPressure>;
  readonly #limits: PressureLimits;
  readonly #log: Logger;
  #refusal: string | undefined = 'the event stream has not been reached yet';
  #full = false;
  #fill = 0;
  #timer: Timer | undefined;
  #stopped = false;
  readonly #looked = Promise.withResolvers<void>();

  constructor(look: () => Promise<StreamPressure>, limits: PressureLimits, log: Logger) {
    this.#look = look;
    this.#limits = limits;
    this.#log = log;
  }

  /** Why nothing can be taken now; undefined while the gate is open. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The fuller one of memory and frames, 1 = at its limit. */
  get fill(): number {
    return this.#fill;
  }

  /** Resolves with the first look that succeeds. */
  get looked(): Promise<void> {
    return this.#looked.promise;
  }

  /** Looks once, then goes on by itself every pollMs. */
  async start(): Promise<void> {
    await this.poll();
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.#limits.pollMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async poll(): Promise<void> {
    try {
      this.#judge(await this.#look());
      this.#looked.resolve();
    } catch (error) {
      this.#setRefusal('the event stream (Redis) cannot be reached', error);
    }
  }

  #judge({ usedBytes, limitBytes, frames }: StreamPressure): void {
    const { memoryPercentMax, memoryBytesMax, framesMax } = this.#limits;
    const memoryMax = ((limitBytes || memoryBytesMax) * memoryPercentMax) / 100;
    this.#fill = Math.max(usedBytes / memoryMax, frames / framesMax);
    this.#full = this.#fill >= (this.#full ? reopenShare : 1);
    this.#setRefusal(this.#full ? 'the event stream is full until the processors have caught up' : undefined);
  }

  #setRefusal(refusal: string | undefined, error?: unknown): void {
    if (refusal === this.#refusal) return;
    this.#refusal = refusal;
    if (refusal) this.#log.warn({ fill: this.#fill, err: error }, `refusing events: ${refusal}`);
    else this.#log.info({ fill: this.#fill }, 'taking events');
  }
}
