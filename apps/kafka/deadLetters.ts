import { Admin, type BaseOptions, ProduceAcks, Producer } from '@platformatic/kafka';
import type { KafkaMessage } from './eventOf.ts';

/** A message that can't become an event, and why. */
export interface DeadLetter {
  message: KafkaMessage;
  reason: string;
}

const batchBytesMax = 512 * 1024;
const reasonCharsMax = 1_000;

/**
 * A topic that keeps the messages which can't become events, as they came, with headers that say where they stood and why. A
 * message may be there twice after a crash: `usage-topic`, `usage-partition` and `usage-offset` name it.
 */
export class DeadLetterTopic {
  #producer: Producer<Buffer, Buffer, Buffer, Buffer> | undefined;

  constructor(
    readonly topic: string,
    readonly connection: BaseOptions,
  ) {}

  /** Resolves once the brokers have all of them; throws what keeps them from it. */
  async keep(letters: readonly DeadLetter[]): Promise<void> {
    if (!this.#producer) {
      await this.#makeTopic();
      this.#producer = new Producer({ ...this.connection });
    }
    for (const batch of batches(letters)) {
      const messages = batch.map((letter) => ({ topic: this.topic, ...contentOf(letter) }));
      await this.#producer.send({ messages, acks: ProduceAcks.ALL });
    }
  }

  async close(): Promise<void> {
    await this.#producer?.close(true);
    this.#producer = undefined;
  }

  async #makeTopic(): Promise<void> {
    const admin = new Admin({ ...this.connection });
    try {
      const topics = await admin.listTopics({});
      if (topics.includes(this.topic)) return;
      // Partitions and replicas as the brokers have them by default.
      await admin.createTopics({ topics: [this.topic], partitions: -1, replicas: -1 });
    } catch (error) {
      throw new Error(
        `the topic ${this.topic} for dead letters can't be made (${(error as Error).message}): make it, or let this client do it`,
        { cause: error },
      );
    } finally {
      await admin.close();
    }
  }
}

function contentOf({ message, reason }: DeadLetter) {
  const { topic, partition, offset, timestamp, key, value } = message;
  const headers = new Map<Buffer, Buffer>();
  for (const [name, content] of message.headers) headers.set(name, content ?? Buffer.alloc(0));
  const where = { topic, partition, offset, timestamp, reason: reason.slice(0, reasonCharsMax) };
  for (const [name, content] of Object.entries(where))
    headers.set(Buffer.from(`usage-${name}`), Buffer.from(String(content)));
  return { headers, ...(key && { key }), ...(value && { value }) };
}

function* batches(letters: readonly DeadLetter[]): Generator<DeadLetter[]> {
  let batch: DeadLetter[] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = letter.message.value?.length ?? 0;
    if (batch.length > 0 && bytes + size > batchBytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(letter);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
