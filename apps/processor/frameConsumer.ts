import type { Logger } from '@usage/lib/service/log.ts';
import { type EventStream, processorGroup, type StreamEntry } from '@usage/lib/stream/stream.ts';
import type { Redis } from 'ioredis';

const idleConsumerMsMin = 600_000;

/**
 * This processor's side of the consumer group. A frame that was read is held until it is acked: while it is held, its
 * idle time is reset now and then, so that other processors take over only what a dead or stopped one has left behind.
 */
export class FrameSource {
  #held = new Set<string>();
  #lastClaimMs = Number.NEGATIVE_INFINITY;
  #claimFrom = '0-0';
  #lastKeepMs = 0;

  constructor(
    readonly reading: EventStream,
    readonly ackStream: EventStream,
    readonly ackRedis: Redis,
    readonly consumer: string,
    readonly claimIdleMsMin: number,
    readonly log: Logger,
  ) {}

  /** New frames, and at times those of processors that stopped answering; waits up to blockMs for the first. */
  async read(count: number, blockMs: number): Promise<{ fresh: StreamEntry[]; claimed: StreamEntry[] }> {
    const claimed = await this.#claim(count);
    const fresh = claimed.length > 0 ? [] : await this.#readFresh(count, blockMs);
    for (const entry of [...claimed, ...fresh]) this.#held.add(entry.id);
    return { fresh, claimed };
  }

  async #readFresh(count: number, blockMs: number): Promise<StreamEntry[]> {
    try {
      return await this.reading.read(this.consumer, count, blockMs);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOGROUP')) throw error;
      this.log.error(
        'the stream or its group is gone from Redis (FLUSHALL, or a Redis without its file): frames in it are lost; a new group is made',
      );
      await this.reading.ensureGroup();
      return [];
    }
  }

  async #claim(count: number): Promise<StreamEntry[]> {
    const nowMs = performance.now();
    if (nowMs - this.#lastClaimMs < this.claimIdleMsMin / 2) return [];
    try {
      const { entries, next } = await this.ackStream.claim(
        this.consumer,
        this.claimIdleMsMin,
        count,
        this.#claimFrom,
      );
      this.#claimFrom = next;
      // Until the whole list of pending frames has been seen, the next look follows at once.
      if (next === '0-0') this.#lastClaimMs = nowMs;
      return entries.filter((entry) => !this.#held.has(entry.id));
    } catch (error) {
      this.#claimFrom = '0-0';
      this.#lastClaimMs = nowMs;
      if ((error as Error).message.startsWith('NOGROUP')) return [];
      throw error;
    }
  }

  /** Tells the group that the held frames are being worked on. Does nothing when it did so lately. */
  async keep(): Promise<void> {
    const nowMs = performance.now();
    if (this.#held.size === 0 || nowMs - this.#lastKeepMs < this.claimIdleMsMin / 4) return;
    this.#lastKeepMs = nowMs;
    await this.ackRedis.xclaim(this.ackStream.key, processorGroup, this.consumer, 0, ...this.#held, 'JUSTID');
  }

  /** Forgets processors of earlier runs that hold nothing. */
  async dropIdleConsumers(): Promise<void> {
    await this.ackStream.dropIdleConsumers(idleConsumerMsMin);
  }

  async ack(ids: readonly { id: string; events: number }[]): Promise<void> {
    await this.ackStream.ack(ids);
    for (const { id } of ids) this.#held.delete(id);
  }

  /** Leaves the group, unless frames are still held, or pending in a reply that never came. */
  async leave(): Promise<void> {
    await this.ackStream.dropConsumer(this.consumer);
  }
}
