import { abandonConnections, type Sql } from './connect.ts';

/** PostgreSQL said nothing in time. What was asked may have been done: asking again must be harmless. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
  static readonly code = 'NO_ANSWER';
  readonly code = NoAnswer.code;
}

const factor = 3;

/**
 * How long to wait for PostgreSQL before a connection counts as dead: the driver has no limit of its own, and a network
 * that swallows packets never closes one. Three times as long as the latest answer took, within bounds, and twice as
 * long after each vain wait: a slow disk is waited for, a dead connection is not.
 */
export class Patience {
  #waitMs: number;

  constructor(
    readonly sql: Sql,
    readonly waitMsMin: number,
    readonly waitMsMax: number,
  ) {
    this.#waitMs = waitMsMin;
  }

  /**
   * Resolves and rejects as `run` does; with NoAnswer when the wait is over, its connections given up. `vainWaits`: how
   * often this very thing was waited for in vain. It gets twice the time for each, however quick other answers are.
   */
  async run<T>(run: () => Promise<T>, vainWaits = 0): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const startedMs = performance.now();
    const waitMs = Math.min(Math.max(this.#waitMs, this.waitMsMin * 2 ** vainWaits), this.waitMsMax);
    let givenUp: Promise<void> | undefined;
    const timer = setTimeout(() => {
      givenUp = abandonConnections(this.sql);
      reject(new NoAnswer(`PostgreSQL has not answered for ${Math.round(waitMs)} ms`));
      this.#waitMs = Math.min(waitMs * 2, this.waitMsMax);
    }, waitMs);
    try {
      const running = run();
      running.catch(() => {}); // after the wait nobody listens any more
      const answer = await Promise.race([running, late]);
      const tookMs = performance.now() - startedMs;
      this.#waitMs = Math.min(Math.max(tookMs * factor, this.waitMsMin), this.waitMsMax);
      return answer;
    } finally {
      clearTimeout(timer);
      await givenUp;
    }
  }
}
