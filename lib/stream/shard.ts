import { entryMs } from './entry.ts';
import type { RedisClient } from './redis.ts';
import { type PositionReply, type Scripts, withScripts } from './scripts.ts';
import { type ServerState, serverStateOf } from './serverState.ts';
import { shardTag } from './shardTag.ts';

export const processorGroup = 'processors';

export interface ShardPosition {
  /** Redis' clock. */
  nowMs: number;
  /** All events that arrived in this shard before this are acked: committed, or dead letters. */
  asOfMs: number;
  /** At least so many while the counters are being counted anew. */
  eventsWaiting: number;
  frames: number;
  /** The newest id ever given, `<ms>-<seq>`. */
  lastId: string;
}

export interface ShardLook extends ShardPosition {
  /** Memory that the stream takes. */
  bytes: number;
  /** Frames that a processor has and has not acked yet. */
  framesHeld: number;
  /** How far its Redis' clock is ahead of this process' own, in milliseconds; off by half of the look's own time. */
  clockAheadMs: number;
  server: ServerState;
}

/** One call counts so many frames anew: some milliseconds of Redis' time. */
const recountFrames = 50;
const recountCallsMax = 20;
/** As-Of of an empty shard stays so far behind its clock where a replica with a slower clock may take over. */
const promotedClockBehindMsMax = 1_000;

/**
 * One of the streams that frames are spread over, with two counters that stay in step with it (events accepted and events
 * acked), and what processors tell each other. Its keys share a hash tag: in a cluster they lie on one node.
 */
export class StreamShard {
  readonly client: RedisClient & Scripts;
  readonly key: string;
  readonly counters: [accepted: string, acked: string, recount: string];
  /** Of the processors: a number each that goes up as long as it lives. */
  readonly beats: string;

  constructor(
    client: RedisClient,
    streamName: string,
    readonly number: number,
    readonly hasReplicas: boolean,
  ) {
    this.client = withScripts(client);
    const tag = shardTag(streamName, number);
    this.key = `{${tag}}:events`;
    this.counters = [`{${tag}}:accepted`, `{${tag}}:settled`, `{${tag}}:recount`];
    this.beats = `{${tag}}:beats`;
  }

  /** Appends a frame; resolves to its id once Redis has acknowledged it (with appendfsync always: on disk). */
  append(frame: Buffer, events: number, mark: string): Promise<string> {
    const [accepted, , recount] = this.counters;
    return this.client.usageAppend(3, this.key, accepted, recount, frame, events, mark);
  }

  async position(): Promise<ShardPosition> {
    let seen = await this.#position();
    for (let call = 0; !seen.isCounted && call < recountCallsMax; call++) {
      const isDone = await this.client.usageRecount(4, this.key, ...this.counters, recountFrames);
      if (isDone === 1) seen = await this.#position();
    }
    return seen;
  }

  async #position() {
    return this.#positionOf(await this.client.usagePosition(4, this.key, ...this.counters));
  }

  /** For operators and the pressure gate. */
  async look(): Promise<ShardLook> {
    const startedMs = Date.now();
    const [reply, bytes, framesHeld, info] = await this.client.usageLook(
      4,
      this.key,
      ...this.counters,
      processorGroup,
    );
    const ownMs = (startedMs + Date.now()) / 2;
    const seen = this.#positionOf(reply);
    const position = seen.isCounted ? seen : await this.position();
    const clockAheadMs = seen.nowMs - ownMs;
    return { ...position, bytes, framesHeld, clockAheadMs, server: serverStateOf(info) };
  }

  /** Undefined where Redis does not say it. Asked on the shard's own node. */
  async savePoints(): Promise<string | undefined> {
    const replies = await this.client.pipeline().xlen(this.key).config('GET', 'save').exec();
    const [error, reply] = replies?.[1] ?? [];
    return error || !Array.isArray(reply) ? undefined : String(reply[1] ?? '');
  }

  #positionOf(reply: PositionReply): ShardPosition & { isCounted: boolean } {
    const [first, lastId, frames, seconds, micros, accepted, acked, isCounting] = reply;
    const nowMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    const counted = Number(accepted) - Number(acked);
    const agree = frames === 0 ? counted === 0 : accepted !== '' && acked !== '' && counted >= 0;
    const isCounted = isCounting === 0 && agree;
    // A clock that was set back goes on from the newest id: nothing can arrive before that.
    const emptyAsOfMs = this.hasReplicas ? nowMs - promotedClockBehindMsMax : nowMs;
    return {
      nowMs,
      asOfMs: first === '' ? Math.max(emptyAsOfMs, entryMs(lastId)) : entryMs(first),
      frames,
      eventsWaiting: isCounted ? counted : frames,
      lastId,
      isCounted,
    };
  }
}
