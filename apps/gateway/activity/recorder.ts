import type { Taken } from '@usage/db/events/activity.ts';
import type { Logger } from '@usage/lib/service/log.ts';

export const stepMs = 10_000;
const writeMs = 2_000;
/** Counts that could not be written are kept for so long: what is older is of no interest. */
const heldMsMax = 600_000;

/** Counts what the gateway takes and refuses, by namespace and step of ten seconds, and writes it down every other second. */
export class ActivityRecorder {
  readonly #write: (rows: readonly Taken[]) => Promise<void>;
  readonly #log: Logger;
  #counts = new Map<string, Taken>();
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(write: (rows: readonly Taken[]) => Promise<void>, log: Logger) {
    this.#write = write;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#writing = this.#writing.then(() => this.write());
    }, writeMs);
  }

  accepted(namespace: string, events: number): void {
    this.#of(namespace).accepted += events;
  }

  rejected(namespace: string, count: number): void {
    this.#of(namespace).rejected += count;
  }

  /** Never throws; what could not be written is added to what comes. */
  async write(nowMs = Date.now()): Promise<void> {
    if (this.#counts.size === 0) return;
    const rows = [...this.#counts.values()];
    this.#counts = new Map();
    try {
      await this.#write(rows);
    } catch (error) {
      this.#log.debug({ err: error }, 'activity cannot be written down now');
      for (const row of rows.filter(({ startMs }) => startMs > nowMs - heldMsMax)) {
        const held = this.#at(row.namespace, row.startMs);
        held.accepted += row.accepted;
        held.rejected += row.rejected;
      }
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.write();
  }

  #of(namespace: string): Taken {
    return this.#at(namespace, Math.floor(Date.now() / stepMs) * stepMs);
  }

  #at(namespace: string, startMs: number): Taken {
    const key = `${startMs} ${namespace}`;
    let row = this.#counts.get(key);
    if (!row) {
      row = { namespace, startMs, accepted: 0, rejected: 0 };
      this.#counts.set(key, row);
    }
    return row;
  }
}
