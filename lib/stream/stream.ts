import { Cluster, type Redis } from 'ioredis';
import { RedisServers } from './redis.ts';
import { ReplicatedAppends } from './replicatedAppends.ts';
import { type ShardLook, type ShardPosition, StreamShard } from './shard.ts';

export interface StreamPosition {
  /** Of the shard whose clock is ahead of the others. */
  nowMs: number;
  /** All events that arrived before this are acked: committed, or dead letters. */
  asOfMs: number;
  /** Of the shards together. */
  eventsWaiting: number;
  frames: number;
}

export interface StreamOptions {
  /** Streams that the frames are spread over. */
  shards?: number;
  /** An append succeeds only once so many replicas have the frame. */
  replicasMin?: number;
  replicasMsMax?: number;
  /** False while there may be shards that this process does not know: positions are refused then. */
  areShardsKnown?: () => boolean;
}

/**
 * How far the clocks of two shards may be apart. Arrival is by the clock of a shard: two copies of an event that come to different
 * shards may look so much further apart than they came, so processors recognise copies for so much longer.
 */
export const clockSkewMsMax = 60_000;

/** An append that fails is tried on other shards: after an unclear one the other is a duplicate, which counts once. */
const appendTriesMax = 3;

/** The frames between gateways and processors: one stream, or several (shards) on one Redis, on many or on a cluster. */
export class EventStream {
  readonly #redis: RedisServers;
  readonly #shards: StreamShard[] = [];
  readonly #replicated: ReplicatedAppends[] = [];
  /** Appends on their way, by shard. */
  readonly #appending: number[] = [];
  /** The last known positions: those of a shard that is away stay true, for nothing of it is acked meanwhile. */
  readonly #positions = new Map<number, ShardPosition>();
  readonly #markPrefix = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString('base64url');
  #marks = 0;
  #turn = 0;

  constructor(
    redis: RedisServers | Redis,
    readonly name = 'usage',
    readonly options: StreamOptions = {},
  ) {
    this.#redis = redis instanceof RedisServers ? redis : new RedisServers([redis]);
    this.useShards(options.shards ?? 1);
  }

  get isOnCluster(): boolean {
    return this.#redis.home instanceof Cluster;
  }

  get shards(): readonly StreamShard[] {
    return this.#shards;
  }

  shard(number: number): StreamShard {
    return this.#shards[number]!;
  }

  /** Of shard 0. */
  get key(): string {
    return this.shard(0).key;
  }

  /** Knows so many shards from now on; never fewer. Throws where REDIS_URL has no server for one. */
  useShards(count: number): void {
    const { replicasMin = 0, replicasMsMax = 1_000 } = this.options;
    for (let number = this.#shards.length; number < count; number++) {
      const shard = new StreamShard(this.#redis.of(number), this.name, number, this.#redis.mayFailOver);
      this.#shards.push(shard);
      this.#appending.push(0);
      if (replicasMin > 0) this.#replicated.push(new ReplicatedAppends(shard, replicasMin, replicasMsMax));
    }
  }

  /**
   * Appends a frame to one of these shards (to any where undefined), or to another where that fails. Resolves once Redis has
   * acknowledged it: with appendfsync always it is on disk then, with replicasMin on so many replicas. Rejects with the
   * first error.
   */
  async append(
    frame: Buffer,
    events: number,
    open?: readonly number[],
  ): Promise<{ shard: number; id: string }> {
    const mark = `${this.#markPrefix}${(this.#marks++).toString(36)}`;
    const left = open ? [...open] : this.#shards.map(({ number }) => number);
    let firstError: unknown;
    for (let tries = 0; tries < appendTriesMax && left.length > 0; tries++) {
      const shard = this.#takeNext(left);
      this.#appending[shard]!++;
      try {
        const replicated = this.#replicated[shard];
        const id = replicated
          ? await replicated.append(frame, events, mark)
          : await this.shard(shard).append(frame, events, mark);
        return { shard, id };
      } catch (error) {
        firstError ??= error;
      } finally {
        this.#appending[shard]!--;
      }
    }
    throw firstError ?? new Error('no shard takes frames');
  }

  /** By turns, among those with the fewest appends on their way: one that answers slowly gets fewer. */
  #takeNext(left: number[]): number {
    this.#turn++;
    let best = 0;
    for (let n = 0; n < left.length; n++) {
      const at = (this.#turn + n) % left.length;
      if (n === 0 || this.#appending[left[at]!]! < this.#appending[left[best]!]!) best = at;
    }
    return left.splice(best, 1)[0]!;
  }

  /**
   * Of all shards together: the earliest, and the sum. A shard that does not answer counts with its last known position;
   * rejects where one has never answered.
   */
  async position(): Promise<StreamPosition> {
    if (this.options.areShardsKnown?.() === false) throw new Error('the number of shards is not known now');
    const asked = await Promise.allSettled(this.#shards.map((shard) => shard.position()));
    for (const [number, answer] of asked.entries()) {
      if (answer.status === 'fulfilled') this.#positions.set(number, answer.value);
      else if (!this.#positions.has(number) || this.#shards.length === 1) throw answer.reason;
    }
    const positions = this.#shards.map(({ number }) => this.#positions.get(number)!);
    return {
      nowMs: Math.max(...positions.map(({ nowMs }) => nowMs)),
      asOfMs: Math.min(...positions.map(({ asOfMs }) => asOfMs)),
      eventsWaiting: positions.reduce((sum, { eventsWaiting }) => sum + eventsWaiting, 0),
      frames: positions.reduce((sum, { frames }) => sum + frames, 0),
    };
  }

  /** Each shard's look, or why there is none. */
  look(): Promise<(ShardLook | Error)[]> {
    return Promise.all(this.#shards.map((shard) => shard.look().catch((error: Error) => error)));
  }
}
