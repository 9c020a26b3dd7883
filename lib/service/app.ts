import { getPriority, setPriority } from 'node:os';
import type { Logger } from './log.ts';
import { pauseUnless } from './pause.ts';

const backgroundNiceness = 5;

/**
 * The one place where an app starts and stops its parts.
 *
 *   building → running → stopping → stopped
 *
 * Parts are stopped in the reverse order of their registration, within one deadline for all of them. The first
 * SIGTERM or SIGINT begins the stop, a second one ends the process at once.
 */
export class App {
  #parts: { name: string; stop: () => unknown }[] = [];
  #stopping = new AbortController();
  #requestStop: (reason: string) => void = () => {};
  #stopRequested = new Promise<string>((resolve) => {
    this.#requestStop = resolve;
  });

  constructor(
    readonly name: string,
    readonly log: Logger,
    readonly stopMsMax: number,
  ) {}

  /** Where processors are scarce, the apps that people wait for an answer of go first. Never a reason not to start. */
  letOthersGoFirst(): this {
    // Somebody who started it with a higher niceness keeps that: lowering it is refused to all but root.
    if (getPriority() >= backgroundNiceness) return this;
    try {
      setPriority(backgroundNiceness);
    } catch (error) {
      this.log.warn({ err: error }, 'the system keeps this app from letting others go first');
    }
    return this;
  }

  /** Registers a part that is up already; returns it. */
  use<T>(name: string, part: T, stop: (part: T) => unknown): T {
    this.#parts.push({ name, stop: () => stop(part) });
    return part;
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Waits, but not beyond the beginning of the stop. */
  pause(ms: number): Promise<void> {
    return pauseUnless(this.#stopping.signal, ms);
  }

  /** Asks for an orderly stop from inside, for a fault that no retry mends. */
  stopBecause(reason: string): void {
    this.#requestStop(reason);
  }

  /** Waits for a signal (or stopBecause), stops all parts, exits: 0 when they stopped in time, else 1. */
  async runUntilSignal(): Promise<never> {
    let signals = 0;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        signals++;
        if (signals > 1) process.exit(1);
        this.#requestStop(signal);
      });
    }
    const reason = await this.#stopRequested;
    this.log.info({ reason }, 'stopping');
    const orderly = await this.stop();
    this.log.info({ orderly }, 'stopped');
    process.exit(orderly && !reason.startsWith('fault') ? 0 : 1);
  }

  /** Stops all parts; true when every one stopped without error before the deadline. */
  async stop(): Promise<boolean> {
    this.#stopping.abort();
    const deadline = Bun.sleep(this.stopMsMax).then(() => 'deadline' as const);
    let orderly = true;
    for (const part of this.#parts.splice(0).reverse()) {
      try {
        const outcome = await Promise.race([Promise.resolve(part.stop()), deadline]);
        if (outcome === 'deadline') {
          this.log.error({ part: part.name, stopMsMax: this.stopMsMax }, 'did not stop in time');
          return false;
        }
      } catch (error) {
        orderly = false;
        this.log.error({ part: part.name, err: error }, 'failed to stop');
      }
    }
    return orderly;
  }
}
