import type { Logger } from '../service/log.ts';

/** As PostgreSQL has it (db/events/streamShards.ts). */
export interface AskedShards {
  shards: number;
  before: number;
  ageMs: number;
}

export interface ShardCount {
  /** Streams that are read. */
  read: number;
  /** Streams that gateways write to, the first ones. */
  written: number;
}

const lookMs = 2_000;
const failedLookMs = 500;
/** What a reader knows is taken for true so long after a look; a new stream is written to only once that is over everywhere. */
const knownMsMax = 8_000;
const writtenAfterMs = 12_000;

/** A stream that is new is read before it is written to; one that is to go is read on. */
export function shardCountOf({ shards, before, ageMs }: AskedShards): ShardCount {
  return {
    read: Math.max(shards, before),
    written: shards > before && ageMs < writtenAfterMs ? before : shards,
  };
}

/** Looks all the time at how many streams there are, so that their number can be changed while the apps run. */
export class ShardCountWatch {
  #knownMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;
  #lastFault = '';

  constructor(
    readonly look: () => Promise<AskedShards>,
    readonly apply: (count: ShardCount) => void,
    readonly log: Logger,
  ) {}

  /** False where the last look is so long ago that there may be streams which this app does not know. */
  get isKnown(): boolean {
    return performance.now() - this.#knownMs < knownMsMax;
  }

  /** Looks once, then goes on by itself. Never rejects: without an answer the number stays as it was. */
  async start(): Promise<void> {
    const startedMs = performance.now();
    try {
      this.apply(shardCountOf(await this.look()));
      this.#knownMs = startedMs;
      this.#lastFault = '';
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#lastFault)
        this.log.warn({ err: error }, 'the number of shards is not known: it stays as it was');
      this.#lastFault = message;
    }
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.start(), this.isKnown ? lookMs : failedLookMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
