import type { Logger } from '../service/log.ts';

/** Where it is kept when keys were last used. */
export interface KeyUseStore {
  /** ms since 1970 by the key's id. */
  noteKeyUse(lastUsedMs: ReadonlyMap<string, number>): Promise<void>;
}

const writeMs = 5_000;

/** Remembers which keys were used, and writes it down every few seconds: nothing of it is on a request's way. */
export class KeyUse {
  readonly #store: KeyUseStore;
  readonly #log: Logger;
  #used = new Set<string>();
  #timer: Timer | undefined;

  constructor(store: KeyUseStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => void this.write(), writeMs);
  }

  note(keyId: string): void {
    this.#used.add(keyId);
  }

  /** Never throws; what could not be written is written the next time. */
  async write(nowMs = Date.now()): Promise<void> {
    if (this.#used.size === 0) return;
    const used = this.#used;
    this.#used = new Set();
    try {
      await this.#store.noteKeyUse(new Map([...used].map((id) => [id, nowMs])));
    } catch (error) {
      for (const id of used) this.#used.add(id);
      this.#log.warn({ err: error }, 'the use of keys cannot be written down now');
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.write();
  }
}
