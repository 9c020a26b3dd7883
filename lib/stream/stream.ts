import type { Redis } from 'ioredis';

/**
 * The stream of frames between gateways and processors, with two counters that stay in step with it: events accepted
 * and events acked. All keys share a hash tag, so that a cluster client would find them on one node; connectRedis makes none.
 */
export interface StreamEntry {
  /** `<ms>-<seq>`: Redis' clock at arrival. */
  id: string;
  frame: Buffer;
  events: number;
}

export interface StreamPosition {
  /** Redis' clock. */
  nowMs: number;
  /** All events that arrived before this are acked: committed, or dead letters. */
  asOfMs: number;
  eventsWaiting: number;
  frames: number;
}

export interface StreamBacklog extends StreamPosition {
  /** Memory that the stream takes. */
  bytes: number;
  /** Frames that a processor has and has not acked yet; the others no processor has had. */
  framesHeld: number;
  /** Age of the oldest frame, by Redis' clock. */
  oldestMs: number;
}

export interface StreamPressure {
  usedBytes: number;
  /** Redis' maxmemory; 0 = none. */
  limitBytes: number;
  frames: number;
}

const appendScript = `
local id = redis.call('XADD', KEYS[1], '*', 'f', ARGV[1], 'n', ARGV[2])
redis.call('INCRBY', KEYS[2], ARGV[2])
return id`;

/** An entry counts as acked by the one call that deletes it, however many processors try. */
const ackScript = `
local events = 0
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then events = events + ARGV[i + 1] end
end
if events > 0 then redis.call('INCRBY', KEYS[2], events) end
return events`;

/** Deleting a consumer would drop what it holds from the group, for good: frames that were read and not acked. */
const leaveScript = `
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1`;

const positionScript = `
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local now = redis.call('TIME')
return {first[1] and first[1][1] or '', now[1], now[2], redis.call('GET', KEYS[2]) or '0', redis.call('GET', KEYS[3]) or '0', redis.call('XLEN', KEYS[1])}`;

interface Scripts {
  usageAppend(keys: number, stream: string, accepted: string, frame: Buffer, events: number): Promise<string>;
  usageAck(
    keys: number,
    stream: string,
    acked: string,
    group: string,
    ...idsAndEvents: (string | number)[]
  ): Promise<number>;
  usageLeave(keys: number, stream: string, group: string, consumer: string): Promise<number>;
  usagePosition(
    keys: number,
    stream: string,
    accepted: string,
    acked: string,
  ): Promise<[string, string, string, string, string, number]>;
}

export const processorGroup = 'processors';

export class EventStream {
  readonly #redis: Redis & Scripts;
  readonly key: string;
  readonly #accepted: string;
  readonly #acked: string;

  constructor(
    redis: Redis,
    readonly name = 'usage',
  ) {
    redis.defineCommand('usageAppend', { lua: appendScript });
    redis.defineCommand('usageAck', { lua: ackScript });
    redis.defineCommand('usageLeave', { lua: leaveScript });
    redis.defineCommand('usagePosition', { lua: positionScript });
    this.#redis = redis as Redis & Scripts;
    this.key = `{${name}}:events`;
    this.#accepted = `{${name}}:accepted`;
    this.#acked = `{${name}}:settled`;
  }

  /** Appends a frame; resolves to its id once Redis has acknowledged it (with appendfsync always: on disk). */
  append(frame: Buffer, events: number): Promise<string> {
    return this.#redis.usageAppend(2, this.key, this.#accepted, frame, events);
  }

  /** Acknowledges and deletes frames; returns how many events that acked. Safe to repeat. */
  ack(entries: readonly { id: string; events: number }[]): Promise<number> {
    const args = entries.flatMap(({ id, events }) => [id, events]);
    return this.#redis.usageAck(2, this.key, this.#acked, processorGroup, ...args);
  }

  async position(): Promise<StreamPosition> {
    const [first, seconds, micros, accepted, acked, frames] = await this.#redis.usagePosition(
      3,
      this.key,
      this.#accepted,
      this.#acked,
    );
    const nowMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    const asOfMs = first === '' ? nowMs : entryMs(first);
    return {
      nowMs,
      asOfMs,
      frames,
      eventsWaiting: frames === 0 ? 0 : Math.max(0, Number(accepted) - Number(acked)),
    };
  }

  /** For operators: some microseconds of Redis' time, however long the stream is. */
  async backlog(): Promise<StreamBacklog> {
    const [position, bytes, held] = await Promise.all([
      this.position(),
      this.#redis.memory('USAGE', this.key),
      this.#redis.xpending(this.key, processorGroup).catch(() => [0]),
    ]);
    return {
      ...position,
      bytes: Number(bytes ?? 0),
      framesHeld: Number(held[0]),
      oldestMs: position.nowMs - position.asOfMs,
    };
  }

  async pressure(): Promise<StreamPressure> {
    const [info, frames] = await Promise.all([this.#redis.info('memory'), this.#redis.xlen(this.key)]);
    const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
    return { usedBytes: field('used_memory'), limitBytes: field('maxmemory'), frames };
  }

  /** Makes the group of the processors, from the stream's beginning; nothing happens when it is there. */
  async ensureGroup(): Promise<void> {
    try {
      await this.#redis.xgroup('CREATE', this.key, processorGroup, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error as Error).message.startsWith('BUSYGROUP')) throw error;
    }
  }

  /** Frames that no processor has had yet; waits up to blockMs for the first (0 = does not wait). */
  async read(consumer: string, count: number, blockMs: number): Promise<StreamEntry[]> {
    const reply = (await (blockMs > 0
      ? this.#redis.xreadgroupBuffer(
          'GROUP',
          processorGroup,
          consumer,
          'COUNT',
          count,
          'BLOCK',
          blockMs,
          'STREAMS',
          this.key,
          '>',
        )
      : this.#redis.xreadgroupBuffer(
          'GROUP',
          processorGroup,
          consumer,
          'COUNT',
          count,
          'STREAMS',
          this.key,
          '>',
        ))) as [Buffer, RawEntry[]][] | null;
    return reply ? reply.flatMap(([, entries]) => entries.flatMap(toEntry)) : [];
  }

  /**
   * Takes over frames that another processor has held for longer than idleMsMin without acking them. Redis looks at
   * ten times `count` pending frames a call; `next` is where the next call goes on, 0-0 at the end.
   */
  async claim(
    consumer: string,
    idleMsMin: number,
    count: number,
    from = '0-0',
  ): Promise<{ entries: StreamEntry[]; next: string }> {
    const reply = (await this.#redis.callBuffer(
      'XAUTOCLAIM',
      this.key,
      processorGroup,
      consumer,
      idleMsMin,
      from,
      'COUNT',
      count,
    )) as [Buffer, RawEntry[], Buffer[]];
    return { entries: reply[1].flatMap(toEntry), next: reply[0].toString() };
  }

  /** Forgets a processor, unless the group has it down for frames: others claim those once they have been idle. */
  async dropConsumer(name: string): Promise<void> {
    await this.#redis.usageLeave(1, this.key, processorGroup, name);
  }

  /** Forgets processors that hold no frame and have been silent for longer than idleMsMin. */
  async dropIdleConsumers(idleMsMin: number): Promise<void> {
    const consumers = (await this.#redis.xinfo('CONSUMERS', this.key, processorGroup)) as (
      | string
      | number
    )[][];
    for (const fields of consumers) {
      const of = (name: string) => fields[fields.indexOf(name) + 1];
      if (of('pending') === 0 && Number(of('idle')) > idleMsMin) {
        await this.dropConsumer(String(of('name')));
      }
    }
  }
}

/** Milliseconds since 1970 at which Redis took the entry. */
export function entryMs(id: string): number {
  return Number(id.slice(0, id.indexOf('-')));
}

type RawEntry = [Buffer, Buffer[] | null];

/**
 * Entries that were deleted while pending come without fields: there is nothing left to do for them. A foreign writer's
 * entry may lack a frame, or say nothing usable of how many events it holds: an empty frame, of none.
 */
function toEntry([id, fields]: RawEntry): StreamEntry[] {
  if (!fields) return [];
  const of = (name: string) =>
    fields.find((_, index) => index % 2 === 1 && fields[index - 1]?.toString() === name);
  const events = Number(of('n')?.toString() ?? 0);
  return [
    {
      id: id.toString(),
      frame: of('f') ?? Buffer.alloc(0),
      events: Number.isSafeInteger(events) && events > 0 ? events : 0,
    },
  ];
}
