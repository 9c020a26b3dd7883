import type { Logger } from './log.ts';
import { pauseUnless } from './pause.ts';

const retryMsMax = 5_000;

/** Work that is done again and again until it is stopped; a fault is logged once and tried again with growing pauses. */
export class Loop {
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();
  #fault: string | undefined;

  constructor(
    readonly name: string,
    readonly log: Logger,
    /** One round; resolves to the ms until the next one. */
    readonly round: (signal: AbortSignal) => Promise<number>,
  ) {}

  /** Why the work is not done now; undefined while it is. */
  get fault(): string | undefined {
    return this.#fault;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Ends after the round that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failed = 0; !signal.aborted; ) {
      try {
        const pauseMs = await this.round(signal);
        failed = 0;
        this.#fault = undefined;
        await pauseUnless(signal, pauseMs);
      } catch (error) {
        if (signal.aborted) return;
        const { message } = error as Error;
        if (message !== this.#fault) this.log.warn({ err: error, loop: this.name }, 'trying again');
        this.#fault = message;
        await pauseUnless(signal, Math.min(200 * 2 ** failed++, retryMsMax));
      }
    }
  }
}
