import { unavailable } from '@usage/lib/http/problem.ts';

/**
 * Gathers what many requests ask into batches: while one batch is in the database the next one fills, so that a trip to the
 * database is shared by all that came meanwhile. One batch at a time.
 */
export class Batches<T, R> {
  #queue: { item: T; done: PromiseWithResolvers<R> }[] = [];
  #running = false;

  constructor(
    /** Answers in order; an Error among the answers is thrown to the one who asked. */
    readonly run: (items: readonly T[]) => Promise<readonly (R | Error)[]>,
    readonly itemsMax: number,
    readonly queuedMax: number,
  ) {}

  /** Problems: 503 where too many wait. */
  add(item: T): Promise<R> {
    if (this.#queue.length >= this.queuedMax) throw unavailable('Too many reservations wait already.', 1);
    const done = Promise.withResolvers<R>();
    this.#queue.push({ item, done });
    if (!this.#running) void this.#drain();
    return done.promise;
  }

  async #drain(): Promise<void> {
    this.#running = true;
    await Promise.resolve(); // what came in the same turn goes together
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.itemsMax);
      try {
        const answers = await this.run(batch.map(({ item }) => item));
        batch.forEach(({ done }, i) => {
          const answer = answers[i]!;
          if (answer instanceof Error) done.reject(answer);
          else done.resolve(answer);
        });
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#running = false;
  }
}
