/** How late a deadline may be noticed. */
const lookMs = 1_000;

interface Waiting {
  endsMs: number;
  expire: () => void;
}

/**
 * Bounds how long promises may take, all of them by the same time and with one timer: a timer for each, and a race with
 * it, take 2 µs of a request that is over in a millisecond.
 */
export class Deadline {
  /** In the order of their ends. */
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;

  constructor(
    readonly msMax: number,
    readonly late: () => Error,
  ) {}

  /** Settles as `promise` does, or rejects with `late()` when it has not settled within msMax. */
  bound<T>(promise: Promise<T>): Promise<T> {
    const { promise: bounded, resolve, reject } = Promise.withResolvers<T>();
    const waiting = { endsMs: performance.now() + this.msMax, expire: () => reject(this.late()) };
    this.#waiting.add(waiting);
    this.#timer ??= setTimeout(this.#look, lookMs);
    promise.then(
      (value) => {
        this.#waiting.delete(waiting);
        resolve(value);
      },
      (error) => {
        this.#waiting.delete(waiting);
        reject(error);
      },
    );
    return bounded;
  }

  #look = () => {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.endsMs > nowMs) break;
      this.#waiting.delete(waiting);
      waiting.expire();
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(this.#look, lookMs);
  };
}
