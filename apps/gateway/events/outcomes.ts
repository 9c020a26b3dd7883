import { type EventOutcome, outcomeChannel, type PartOutcome } from '@usage/lib/stream/outcome.ts';
import type { Subscriber } from '@usage/lib/stream/subscriber.ts';

/** Requests that wait for their commit at once; more of them are answered as soon as their events are kept. */
const waitersMax = 10_000;

export interface Waiter {
  /** Goes with the events. */
  token: string;
  /** The events that were not stored as new ones, by position; undefined when the time was over before the commit. */
  committed: Promise<readonly EventOutcome[] | undefined>;
  /** The events were not appended: no outcome will come. */
  callOff(): void;
}

/** Receives from the processors the outcome of requests that wait for their commit (`Prefer: wait`). */
export class Outcomes {
  readonly #subscriber: Subscriber;
  readonly #waiting = new Map<string, (events: readonly EventOutcome[] | undefined) => void>();

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
  }

  start(streamName: string): Promise<void> {
    return this.#subscriber.listen(outcomeChannel(streamName), (message) => {
      const { token, events } = JSON.parse(message) as PartOutcome;
      this.#waiting.get(token)?.(events);
    });
  }

  /** Answers all that wait that it is not known yet. */
  stop(): void {
    for (const resolve of this.#waiting.values()) resolve(undefined);
  }

  /** undefined where nothing would be heard, or too many wait already. */
  wait(seconds: number): Waiter | undefined {
    if (!this.#subscriber.isConnected || this.#waiting.size >= waitersMax) return undefined;
    const token = crypto.randomUUID();
    const { promise, resolve } = Promise.withResolvers<readonly EventOutcome[] | undefined>();
    const settle = (events: readonly EventOutcome[] | undefined) => {
      clearTimeout(timer);
      this.#waiting.delete(token);
      resolve(events);
    };
    const timer = setTimeout(() => settle(undefined), seconds * 1_000);
    this.#waiting.set(token, settle);
    return { token, committed: promise, callOff: () => settle(undefined) };
  }
}
