import type { Logger } from '@usage/lib/service/log.ts';
import { compareIds } from '@usage/lib/stream/entry.ts';
import { riskOf, type SafetyRules, unsafeBecause } from '@usage/lib/stream/safety.ts';
import type { ShardLook } from '@usage/lib/stream/shard.ts';

export interface ShardLimits extends SafetyRules {
  /** Percent of Redis' memory from which on nothing is taken. */
  memoryPercentMax: number;
  /** Taken for the memory of a Redis without maxmemory. */
  memoryBytesMax: number;
  framesMax: number;
}

/** Reopens when the fill is down to this share of the limit: not before a few seconds of work are done. */
const reopenShare = 0.9;
/** Where the stream takes less than this share of Redis' memory, something else has filled it. */
const ownShareMin = 0.5;

/**
 * Whether one shard takes events.
 *
 *   unknown ──first look──▶ open ⇄ full       full: over a limit; open again below reopenShare of it
 *      ▲───────any look that fails─────┘
 */
export class ShardGate {
  #refusal: string | undefined = 'the event stream has not been reached yet';
  #isFull = false;
  #fill: number | undefined;
  #runId = '';
  /** The newest id that Redis is known to have given; and what it was when the look began. */
  #lastId = '0-0';
  #lastIdBefore = '0-0';
  #savePoints: string | undefined;

  constructor(
    readonly shard: number,
    readonly limits: ShardLimits,
    readonly askSavePoints: () => Promise<string | undefined>,
    readonly log: Logger,
    readonly onWentBack: () => void,
  ) {}

  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The fuller one of memory and frames, 1 = at its limit; undefined while the shard is away. */
  get fill(): number | undefined {
    return this.#fill;
  }

  /** Redis has acknowledged a frame under this id. */
  acknowledged(id: string): void {
    if (compareIds(id, this.#lastId) > 0) this.#lastId = id;
  }

  /** Call before each look: what is acknowledged while it is under way says nothing about it. */
  beginLook(): void {
    this.#lastIdBefore = this.#lastId;
  }

  /** `clockApartMs` is not 0 where the shard's clock is further from the others' than may be. */
  async judge(look: ShardLook | Error, clockApartMs: number): Promise<void> {
    if (look instanceof Error) {
      this.#fill = undefined;
      this.#setRefusal(unreachable(look), look);
      return;
    }
    if (look.server.runId !== this.#runId) await this.#meet(look);
    this.#noticeWentBack(look);
    this.#setRefusal(this.#refusalOf(look, clockApartMs));
  }

  /** Another process answers than before: what is known of the one before does not hold. */
  async #meet({ server }: ShardLook): Promise<void> {
    if (!server.hasAppendOnlyFile) this.#savePoints = await this.askSavePoints().catch(() => undefined);
    this.#runId = server.runId;
    const risk = riskOf(server, this.#savePoints);
    if (risk) this.log.warn({ shard: this.shard }, risk);
  }

  #noticeWentBack({ lastId }: ShardLook): void {
    if (compareIds(lastId, this.#lastIdBefore) >= 0) {
      this.acknowledged(lastId);
      return;
    }
    this.onWentBack();
    this.log.error(
      { shard: this.shard, newest: lastId, before: this.#lastIdBefore },
      'Redis went back: the newest id of the stream is older than before (an older copy, a replica that lacked frames, FLUSHALL); accepted events between the two that were not stored yet are lost',
    );
    this.#lastId = lastId;
  }

  #refusalOf({ server, bytes, frames }: ShardLook, clockApartMs: number): string | undefined {
    const { memoryPercentMax, memoryBytesMax, framesMax } = this.limits;
    const memoryMax = ((server.limitBytes || memoryBytesMax) * memoryPercentMax) / 100;
    this.#fill = Math.max(server.usedBytes / memoryMax, frames / framesMax);
    this.#isFull = this.#fill >= (this.#isFull ? reopenShare : 1);
    const unsafe = unsafeBecause(server, this.#savePoints, this.limits);
    if (unsafe) return unsafe;
    if (clockApartMs !== 0) return apart(clockApartMs);
    if (!this.#isFull) return undefined;
    const isOwn = frames / framesMax >= reopenShare || bytes >= server.usedBytes * ownShareMin;
    return isOwn
      ? 'the event stream is full until the processors have caught up'
      : filledByOthers(server.usedBytes, bytes);
  }

  #setRefusal(refusal: string | undefined, error?: unknown): void {
    if (refusal === this.#refusal) return;
    this.#refusal = refusal;
    const seen = { shard: this.shard, fill: this.#fill, ...(error !== undefined && { err: error }) };
    if (refusal) this.log.warn(seen, `refusing events: ${refusal}`);
    else this.log.info(seen, 'taking events');
  }
}

const refusals = /^(NOAUTH|WRONGPASS|NOPERM|LOADING|MASTERDOWN|CLUSTERDOWN|MOVED|MISCONF|ERR AUTH)/;

/** A Redis that answers, and says why it can't serve, is no Redis that can't be reached. */
function unreachable({ message }: Error): string {
  return refusals.test(message)
    ? `the event stream (Redis) refuses this gateway: ${message.slice(0, 200)}`
    : 'the event stream (Redis) cannot be reached';
}

function apart(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return `the clock of this shard's Redis is ${seconds} s ${ms > 0 ? 'ahead of' : 'behind'} the other shards': set it by NTP`;
}

function filledByOthers(usedBytes: number, streamBytes: number): string {
  const megabytes = (bytes: number) => Math.round(bytes / 1_048_576);
  return (
    `Redis is full (${megabytes(usedBytes)} MB), but the event stream takes only ${megabytes(streamBytes)} MB of it: ` +
    'other keys fill it; give the event stream a Redis of its own, or more memory'
  );
}
