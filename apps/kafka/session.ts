import {
  type BaseOptions,
  Consumer,
  ListOffsetTimestamps,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
} from '@platformatic/kafka';
import type { KafkaMessage } from './eventOf.ts';

export interface SessionOptions {
  connection: BaseOptions;
  group: string;
  topics: string[];
  sessionMsMax: number;
  /** Uncommitted messages of this replica's partitions. */
  onLag(topic: string, messages: number): void;
  /** Messages that the topic's retention removed before they were read. */
  onExpired(topic: string, partition: number, messages: number): void;
}

/** The next fetch waits until fewer messages are held; they may be as long as 1 MB each. Its bytes come on top. */
const messagesHeldMax = 64;
const fetchBytesMax = 4 * 1024 * 1024;
const fetchMsMax = 1_000;
const heartbeatsPerSession = 6;
const lagEveryMs = 10_000;
/** Messages that are delivered together. */
const takenMax = 2_000;

type Taken = KafkaMessage & { leaderEpoch: number };

/**
 * A membership in the consumer group, from joining until something fails: then the caller begins another one. Offsets are committed
 * by `commit` alone. After a rebalance or a failure messages come again from the last commit on, never fewer.
 */
export class Session {
  readonly #consumer: Consumer<Buffer, Buffer, Buffer, Buffer>;
  #messages: AsyncIterator<Message> | undefined;
  #stream: Stream | undefined;
  #isCalledOff = false;
  /** Ids of topics by their names. */
  topicIds: ReadonlyMap<string, string> = new Map();

  constructor(readonly options: SessionOptions) {
    const { connection, group, sessionMsMax } = options;
    this.#consumer = new Consumer({
      ...connection,
      groupId: group,
      autocommit: false,
      sessionTimeout: sessionMsMax,
      heartbeatInterval: Math.floor(sessionMsMax / heartbeatsPerSession),
      maxWaitTime: fetchMsMax,
      maxBytes: fetchBytesMax,
      highWaterMark: messagesHeldMax,
    });
    // A failed rejoin is an event of the client alone, which would end the process without a listener. It ends the session.
    this.#consumer.on('error', (error: Error) => this.#stream?.destroy(error));
  }

  /** Joins the group; throws where the brokers are away or a topic isn't there. */
  async begin(): Promise<void> {
    const { topics, onLag } = this.options;
    const metadata = await this.#consumer.metadata({ topics, forceUpdate: true });
    this.topicIds = new Map([...metadata.topics].map(([name, { id }]) => [name, id]));
    await this.#reportExpired(
      new Map([...metadata.topics].map(([name, topic]) => [name, topic.partitionsCount])),
    );
    this.#consumer.on('consumer:lag', (lags) => {
      for (const [topic, partitions] of lags)
        onLag(topic, Number(partitions.reduce((sum, lag) => sum + (lag > 0n ? lag : 0n), 0n)));
    });
    this.#stream = await this.#consumer.consume({
      topics,
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    });
    this.#consumer.startLagMonitoring({ topics }, lagEveryMs);
    this.#messages = this.#stream[Symbol.asyncIterator]();
  }

  /** Waits for a message and takes what else is there; empty when the session is called off. Throws what ended the session. */
  async take(): Promise<Taken[]> {
    const taken: Taken[] = [];
    while (!this.#isCalledOff) {
      const result = await this.#messages!.next();
      if (this.#isCalledOff) break;
      if (result.done) throw new Error('the brokers ended the session');
      const {
        topic,
        partition,
        offset,
        timestamp,
        key,
        value,
        headerEntries: headers,
        leaderEpoch,
      } = result.value;
      taken.push({ topic, partition, offset, timestamp, key, value, headers, leaderEpoch });
      if (taken.length >= takenMax || this.#stream!.readableLength === 0) break;
    }
    return taken;
  }

  /** Every message of these partitions up to the last one of these is done with. */
  async commit(messages: readonly Taken[]): Promise<void> {
    const last = new Map<string, Taken>();
    for (const message of messages) {
      const key = `${message.topic}/${message.partition}`;
      const before = last.get(key);
      if (!before || before.offset < message.offset) last.set(key, message);
    }
    const offsets = [...last.values()].map(({ topic, partition, offset, leaderEpoch }) => ({
      topic,
      partition,
      offset: offset + 1n,
      leaderEpoch,
    }));
    await this.#consumer.commit({ offsets });
  }

  /** Takes nothing more: what `take` waits for comes to its end. */
  callOff(): void {
    this.#isCalledOff = true;
    void this.#stream?.close().catch(() => {});
  }

  async end(): Promise<void> {
    this.#isCalledOff = true;
    await this.#stream?.close();
    await this.#consumer.close(true);
  }

  /** What the group committed lies before what the brokers still have. */
  async #reportExpired(partitionCounts: ReadonlyMap<string, number>): Promise<void> {
    const topics = [...partitionCounts].map(([topic, count]) => ({
      topic,
      partitions: Array.from({ length: count }, (_, partition) => partition),
    }));
    const committed = await this.#consumer.listCommittedOffsets({ topics });
    const earliest = await this.#consumer.listOffsets({
      topics: topics.map(({ topic }) => topic),
      timestamp: ListOffsetTimestamps.EARLIEST,
    });
    for (const [topic, offsets] of committed)
      for (const [partition, offset] of offsets.entries()) {
        const first = earliest.get(topic)?.[partition];
        if (first !== undefined && offset >= 0n && offset < first)
          this.options.onExpired(topic, partition, Number(first - offset));
      }
  }
}

type Stream = Awaited<ReturnType<Consumer<Buffer, Buffer, Buffer, Buffer>['consume']>>;
type Message = Stream extends AsyncIterable<infer One> ? One : never;
