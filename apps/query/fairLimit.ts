/** A query whose turn has not come. */
interface Waiting {
  namespace: string;
  begin: () => void;
}

/**
 * Decides whose query runs on the next free connection. A namespace runs at most `eachMax` queries at once, fewer than there
 * are connections, so that another one's query need not wait for them; its further queries wait, and those of the namespace
 * that runs the fewest go first.
 */
export class FairLimit {
  #running = 0;
  readonly #runningBy = new Map<string, number>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();

  constructor(
    readonly max: number,
    readonly eachMax: number,
  ) {}

  /** Resolves to true when the query may run, and must be ended by `end`; to false where msMax is over before. */
  begin(namespace: string, msMax: number): Promise<boolean> {
    if (this.#mayRun(namespace)) {
      this.#count(namespace, 1);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiting = {
        namespace,
        begin: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        resolve(false);
      }, msMax);
      this.#waiting.add(waiting);
    });
  }

  end(namespace: string): void {
    this.#count(namespace, -1);
    const next = this.#next();
    if (!next) return;
    this.#waiting.delete(next);
    this.#count(next.namespace, 1);
    next.begin();
  }

  /** Of those that may run, the first of the namespace that runs the fewest. */
  #next(): Waiting | undefined {
    let next: Waiting | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting) {
      const running = this.#runningBy.get(waiting.namespace) ?? 0;
      if (running < fewest && this.#mayRun(waiting.namespace)) {
        next = waiting;
        fewest = running;
      }
    }
    return next;
  }

  #mayRun(namespace: string): boolean {
    return this.#running < this.max && (this.#runningBy.get(namespace) ?? 0) < this.eachMax;
  }

  #count(namespace: string, change: 1 | -1): void {
    this.#running += change;
    const running = (this.#runningBy.get(namespace) ?? 0) + change;
    if (running > 0) this.#runningBy.set(namespace, running);
    else this.#runningBy.delete(namespace);
  }
}
