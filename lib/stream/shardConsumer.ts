import type { Logger } from '../service/log.ts';
import { type EntryName, type RawEntry, refOf, type StreamEntry, toEntry } from './entry.ts';
import { processorGroup, type StreamShard } from './shard.ts';

/** What is needed of a frame to ack it. */
export type AckedFrame = EntryName & { events: number };

/** A frame that was delivered so often, and not acked, is given out alone from the next delivery on. */
export const suspectDeliveries = 2;
/** Beside the frames it holds: a processor looks for replies that it never got. */
const ownLookMax = 256;

/**
 * One processor in the consumer group of one shard.
 *
 * Each processor counts up a number in Redis (its beat) as long as it lives. One whose beat another processor has seen
 * unchanged for idleMsMin, by its own monotone clock, is dead or frozen, and its frames are taken over. No clock of Redis is
 * asked: it may be set back, and then nothing would ever look old. Processors without a beat (an older version) are
 * judged by how long Redis says that their frames have been pending.
 */
export class ShardConsumer {
  /** Frames that this processor has read and not acked, by their refs. */
  readonly #held = new Map<string, string>();
  readonly #seen = new Map<string, { beat: string; sinceMs: number }>();
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** `reading` may block: it has a connection of its own. */
  constructor(
    readonly reading: StreamShard,
    readonly shard: StreamShard,
    readonly name: string,
    readonly idleMsMin: number,
    readonly log: Logger,
  ) {}

  get held(): number {
    return this.#held.size;
  }

  /** Makes the group of the processors, from the stream's beginning; nothing happens when it is there. */
  async ensureGroup(): Promise<void> {
    try {
      await this.shard.client.xgroup('CREATE', this.shard.key, processorGroup, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error as Error).message.startsWith('BUSYGROUP')) throw error;
    }
  }

  /** Frames that no processor has had yet; waits up to blockMs for the first (0 = does not wait). */
  async read(count: number, blockMs: number): Promise<StreamEntry[]> {
    const { client, key } = this.reading;
    const group = ['GROUP', processorGroup, this.name, 'COUNT', count] as const;
    try {
      const reply = (await (blockMs > 0
        ? client.xreadgroupBuffer(...group, 'BLOCK', blockMs, 'STREAMS', key, '>')
        : client.xreadgroupBuffer(...group, 'STREAMS', key, '>'))) as [Buffer, RawEntry[]][] | null;
      return this.#hold((reply ?? []).flatMap(([, entries]) => entries.map((raw) => this.#entry(raw, 1))));
    } catch (error) {
      if (!isNoGroup(error)) throw error;
      this.log.error(
        { shard: this.shard.number },
        'the stream or its group is gone from Redis (FLUSHALL, or a Redis without its file): frames in it are lost; a new group is made',
      );
      await this.ensureGroup();
      return [];
    }
  }

  /** Frames of dead processors, and those whose reply this one never got; looks again after a tenth of idleMsMin. */
  async takeOver(count: number): Promise<StreamEntry[]> {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < this.idleMsMin / 10) return [];
    this.#lookedMs = nowMs;
    const { client, key, beats } = this.shard;
    try {
      const consumers = await client.usageConsumers(2, key, beats, processorGroup);
      for (const [owner, pending, , beat] of consumers) {
        const isSilent = owner !== this.name && this.#isSilent(owner, beat, nowMs);
        if (pending === 0) {
          if (isSilent) await this.#forget(owner);
          continue;
        }
        const taken =
          owner === this.name
            ? await this.#claimLost(count)
            : isSilent
              ? await this.#claim(owner, beat, count, [])
              : [];
        if (taken.length === 0) continue;
        // There may be more.
        this.#lookedMs = Number.NEGATIVE_INFINITY;
        return this.#hold(taken);
      }
      this.#forgetUnknown(consumers.map(([owner]) => owner));
      return [];
    } catch (error) {
      if (isNoGroup(error)) return [];
      throw error;
    }
  }

  /** Says that this processor is alive. */
  async beat(): Promise<void> {
    await this.shard.client.usageBeat(1, this.shard.beats, this.name);
  }

  /**
   * Acknowledges and deletes frames; returns how many events that acked, safe to repeat. A frame of which the stream does not
   * hold that very one stays as it is: Redis may have gone back to an older copy, which uses ids again.
   */
  async ack(frames: readonly AckedFrame[]): Promise<number> {
    const { client, key, counters } = this.shard;
    const [, acked, recount] = counters;
    const args = frames.flatMap(({ id, events, mark }) => [id, events, mark]);
    const [events, others] = await client.usageAck(3, key, acked, recount, processorGroup, ...args);
    for (const frame of frames) this.#held.delete(refOf(frame));
    if (others > 0) {
      this.log.error(
        { shard: this.shard.number, frames: others },
        'Redis went back to an older copy: it uses the ids of frames again that this processor has stored; they are left alone',
      );
    }
    return events;
  }

  /** Leaves the group. Frames that are still held, or pending in a reply that never came, are for others at once. */
  async leave(): Promise<void> {
    const { client, key, beats } = this.shard;
    await client.usageLeave(2, key, beats, processorGroup, this.name, '1');
  }

  #isSilent(owner: string, beat: string, nowMs: number): boolean {
    if (beat === 'left') return true;
    const seen = this.#seen.get(owner);
    if (seen?.beat !== beat) {
      this.#seen.set(owner, { beat, sinceMs: nowMs });
      return false;
    }
    return nowMs - seen.sinceMs >= this.idleMsMin;
  }

  async #forget(owner: string): Promise<void> {
    const { client, key, beats } = this.shard;
    await client.usageLeave(2, key, beats, processorGroup, owner, '0');
  }

  #forgetUnknown(known: string[]): void {
    const names = new Set(known);
    for (const owner of this.#seen.keys()) if (!names.has(owner)) this.#seen.delete(owner);
  }

  async #claim(owner: string, beat: string, count: number, ids: string[]): Promise<StreamEntry[]> {
    const { client, key, beats } = this.shard;
    // An older version's processor has no beat: of it only what has been pending for long.
    const idleMs = beat === '' && owner !== this.name ? this.idleMsMin : 0;
    const limits = [idleMs, count, suspectDeliveries];
    const members = [processorGroup, this.name, owner, beat];
    const [raw, counted] = await client.usageClaimBuffer(2, key, beats, ...members, ...limits, ...ids);
    const deliveries = new Map(counted.map(([id, times]) => [id.toString(), Number(times)]));
    return (raw as (RawEntry | null)[])
      .flatMap((entry) => (entry ? [this.#entry(entry, deliveries.get(entry[0].toString()) ?? 1)] : []))
      .filter((entry) => entry !== undefined);
  }

  /** Pending for this processor, which does not know of them: the reply got lost with its connection. */
  async #claimLost(count: number): Promise<StreamEntry[]> {
    const { client, key } = this.shard;
    const most = this.#held.size + ownLookMax;
    const rows = (await client.xpending(key, processorGroup, '-', '+', most, this.name)) as [string][];
    const held = new Set(this.#held.values());
    const lost = rows.map(([id]) => id).filter((id) => !held.has(id));
    return lost.length === 0 ? [] : this.#claim(this.name, '', count, lost.slice(0, count));
  }

  #entry(raw: RawEntry, deliveries: number): StreamEntry | undefined {
    return toEntry(this.shard.number, raw, deliveries);
  }

  #hold(entries: (StreamEntry | undefined)[]): StreamEntry[] {
    const known = entries.filter((entry) => entry !== undefined);
    for (const entry of known) this.#held.set(refOf(entry), entry.id);
    return known;
  }
}

function isNoGroup(error: unknown): boolean {
  return (error as Error).message.startsWith('NOGROUP');
}
