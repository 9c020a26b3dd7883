import type { Logger } from '@usage/lib/service/log.ts';
import type { StreamEntry } from '@usage/lib/stream/entry.ts';
import { type AckedFrame, ShardConsumer } from '@usage/lib/stream/shardConsumer.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';

/** Between two reads of several shards that had nothing: a read that blocks would hold only one of them. */
const pollMs = 5;
const failedRetryMs = 500;

export interface OutcomeMessage {
  shard: number;
  channel: string;
  text: string;
}

/** What is left to do for frames whose batch is stored. */
interface AckJob {
  frames: AckedFrame[];
  messages: OutcomeMessage[];
}

interface Lane {
  consumer: ShardConsumer;
  hasGroup: boolean;
  /** Under way; undefined while there is none. */
  reading: Promise<void> | undefined;
  retryAtMs: number;
  fault: Error | undefined;
  /** Acks that failed, while the shard was away; tried again with every beat. */
  jobs: AckJob[];
}

export interface ReadFrames {
  fresh: StreamEntry[];
  claimed: StreamEntry[];
  /** There are no more of them now. */
  isDrained: boolean;
}

/**
 * This processor's side of all shards. Each shard is read and acked for itself: one that is away holds up neither the
 * others nor the store. A frame that was read is held until it is acked, and taken over by others only once this
 * processor is dead or frozen (lib/stream/shardConsumer.ts).
 */
export class FrameConsumer {
  readonly #lanes: Lane[] = [];
  readonly #ready: ReadFrames[] = [];
  #wake: () => void = () => {};

  /** `reading` has connections of its own, on which a read may block. */
  constructor(
    readonly reading: EventStream,
    readonly acking: EventStream,
    readonly name: string,
    readonly claimIdleMsMin: number,
    readonly log: Logger,
  ) {}

  /** From now on at least so many shards are read; none is ever given up before this process ends. */
  useShards(count: number): void {
    this.reading.useShards(count);
    this.acking.useShards(count);
    for (let shard = this.#lanes.length; shard < count; shard++) {
      const { name, claimIdleMsMin, log } = this;
      const consumer = new ShardConsumer(
        ...([this.reading.shard(shard), this.acking.shard(shard)] as const),
        ...([name, claimIdleMsMin, log] as const),
      );
      const state = { hasGroup: false, reading: undefined, retryAtMs: 0, fault: undefined, jobs: [] };
      this.#lanes.push({ consumer, ...state });
    }
  }

  /** Joins the groups; rejects where that was possible in none. */
  async start(): Promise<void> {
    const joined = await Promise.allSettled(this.#lanes.map((lane) => this.#join(lane)));
    const [first] = joined;
    if (first?.status === 'rejected' && joined.every(({ status }) => status === 'rejected'))
      throw first.reason;
  }

  /** Shards that can't be read or acked now, each with its reason. */
  get faults(): string[] {
    return this.#lanes.flatMap(({ fault, consumer }) =>
      fault ? [`shard ${consumer.shard.number}: ${fault.message}`] : [],
    );
  }

  /**
   * New frames, or those of dead processors; waits up to blockMs for the first. A claimed frame that was delivered for the
   * third time or more comes alone. Rejects where every shard is away.
   */
  async read(count: number, blockMs: number): Promise<ReadFrames> {
    const [only] = this.#lanes;
    if (only && this.#lanes.length === 1) return this.#readLane(only, count, blockMs);
    const each = Math.ceil(count / this.#lanes.length);
    for (const untilMs = performance.now() + blockMs; ; ) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      for (const lane of this.#lanes) this.#startReading(lane, each);
      if (this.#ready.length === 0) await Promise.race([woken, Bun.sleep(pollMs)]);
      if (this.#ready.length > 0) return this.#takeReady();
      const [first] = this.#lanes;
      if (first?.fault && this.#lanes.every(({ fault }) => fault)) throw first.fault;
      if (performance.now() >= untilMs) return { fresh: [], claimed: [], isDrained: true };
      await Bun.sleep(pollMs);
    }
  }

  /** Never rejects: what fails is tried again with every beat, and until then the frames are held. */
  async ack(frames: readonly AckedFrame[], messages: readonly OutcomeMessage[]): Promise<void> {
    await Promise.all(
      this.#lanes.map(async (lane) => {
        const isOfShard = ({ shard }: { shard: number }) => shard === lane.consumer.shard.number;
        const job = { frames: frames.filter(isOfShard), messages: messages.filter(isOfShard) };
        if (job.frames.length === 0) return;
        lane.jobs.push(job);
        await this.#runJobs(lane);
      }),
    );
  }

  /** Says that this processor is alive, and makes up for acks that failed. */
  async beat(): Promise<void> {
    await Promise.all(
      this.#lanes.map(async (lane) => {
        await lane.consumer.beat().catch(() => {});
        await this.#runJobs(lane);
      }),
    );
  }

  /** Leaves the groups; what is held, or pending in a reply that never came, is for others at once. */
  async leave(): Promise<void> {
    await this.beat();
    await Promise.allSettled(this.#lanes.map(({ consumer }) => consumer.leave()));
  }

  /** What has come of all shards; a claimed frame comes with its own shard's read alone. */
  #takeReady(): ReadFrames {
    const first = this.#ready.shift()!;
    while (first.claimed.length === 0 && this.#ready[0]?.claimed.length === 0) {
      const next = this.#ready.shift()!;
      first.fresh.push(...next.fresh);
      first.isDrained &&= next.isDrained;
    }
    return first;
  }

  #startReading(lane: Lane, count: number): void {
    if (lane.reading || performance.now() < lane.retryAtMs) return;
    lane.reading = this.#readLane(lane, count, 0)
      .then(
        (frames) => {
          lane.fault = undefined;
          if (frames.fresh.length + frames.claimed.length > 0) this.#ready.push(frames);
        },
        (error: Error) => {
          if (!lane.fault) this.log.warn({ err: error, shard: lane.consumer.shard.number }, 'shard is away');
          lane.fault = error;
          lane.retryAtMs = performance.now() + failedRetryMs;
        },
      )
      .finally(() => {
        lane.reading = undefined;
        this.#wake();
      });
  }

  async #readLane(lane: Lane, count: number, blockMs: number): Promise<ReadFrames> {
    const { consumer } = lane;
    if (!lane.hasGroup) await this.#join(lane);
    const claimed = await consumer.takeOver(count);
    const fresh = claimed.length > 0 ? [] : await consumer.read(count, blockMs);
    return { fresh, claimed, isDrained: claimed.length + fresh.length < count };
  }

  async #join(lane: Lane): Promise<void> {
    await lane.consumer.ensureGroup();
    await lane.consumer.beat();
    lane.hasGroup = true;
  }

  async #runJobs(lane: Lane): Promise<void> {
    for (const job of lane.jobs.splice(0)) {
      try {
        const { client } = lane.consumer.shard;
        for (const message of job.messages) await client.publish(message.channel, message.text);
        job.messages = [];
        await lane.consumer.ack(job.frames);
      } catch (error) {
        this.log.warn(
          { err: error, shard: lane.consumer.shard.number, frames: job.frames.length },
          'ack failed',
        );
        lane.jobs.push(job);
      }
    }
  }
}
