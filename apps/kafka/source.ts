import type { Logger } from '@usage/lib/service/log.ts';
import { pauseUnless } from '@usage/lib/service/pause.ts';
import type { DeadLetter, DeadLetterTopic } from './deadLetters.ts';
import { type Delivering, deliver } from './deliver.ts';
import { GatewayError } from './gateway.ts';
import type { KafkaMetrics } from './metrics.ts';
import { Session, type SessionOptions } from './session.ts';

const pauseMsMin = 200;
const pauseMsMax = 10_000;

export interface SourceOptions extends Omit<Delivering, 'topicIds'> {
  session: Omit<SessionOptions, 'onLag' | 'onExpired'>;
  deadLetters: DeadLetterTopic;
  metrics: KafkaMetrics;
  log: Logger;
}

/**
 * Takes messages, sends their events, and commits their offsets once the gateway has acknowledged every one of them or the topic of
 * dead letters has it. A crash in between sends messages again, with the same ids: they count once.
 */
export class KafkaSource {
  /** Why nothing moves; undefined: all is well. */
  fault: string | undefined = 'not yet in the group';
  #reported = '';
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(readonly options: SourceOptions) {}

  start(): void {
    const { metrics, session } = this.options;
    for (const topic of session.topics) metrics.lag.set({ topic }, 0);
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.options.deadLetters.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures++) {
      const session = new Session({ ...this.options.session, ...this.#listeners });
      const callOff = () => session.callOff();
      signal.addEventListener('abort', callOff);
      try {
        await session.begin();
        this.#isWell('in the group');
        failures = 0;
        await this.#consume(session);
      } catch (error) {
        await this.#pause(error as Error, failures);
      }
      signal.removeEventListener('abort', callOff);
      await session.end().catch((error: unknown) => this.options.log.debug({ err: error }, 'left the group'));
    }
  }

  async #consume(session: Session): Promise<void> {
    const { signal } = this.#stop;
    const { metrics, deadLetters } = this.options;
    while (!signal.aborted) {
      const messages = await session.take();
      if (messages.length === 0) continue;
      // 1. The gateway has every event, or has refused it.
      const delivery = await this.#until(() =>
        deliver(messages, { ...this.options, topicIds: session.topicIds }),
      );
      if (!delivery) return;
      // 2. What was refused, or couldn't be read, is in the topic of dead letters.
      if (delivery.deadLetters.length > 0) {
        this.#logDeadLetters(delivery.deadLetters);
        const isKept = await this.#until(async () => {
          await deadLetters.keep(delivery.deadLetters);
          return true;
        });
        if (!isKept) return;
      }
      // 3. Only now the brokers may forget that the group hasn't read them.
      await session.commit(messages);
      metrics.messages.inc({ outcome: 'accepted' }, delivery.accepted);
      metrics.messages.inc({ outcome: 'stored' }, delivery.stored);
      metrics.messages.inc({ outcome: 'dead_letter' }, delivery.deadLetters.length);
    }
  }

  /** Tries until it succeeds; undefined when the app is to stop first. Meanwhile the client sends heartbeats. */
  async #until<T>(attempt: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      try {
        const result = await attempt();
        this.#isWell('goes on');
        return result;
      } catch (error) {
        await this.#pause(error as Error, failures);
      }
    }
    return undefined;
  }

  /** Each different reason is logged once. */
  async #pause(error: Error, failures: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { log, metrics } = this.options;
    this.fault = reasonOf(error);
    metrics.waits.inc();
    if (this.fault !== this.#reported) log.warn({ reason: this.fault }, 'waiting');
    this.#reported = this.fault;
    const askedMs = error instanceof GatewayError ? error.retryAfterMs : 0;
    const ms = Math.min(Math.max(pauseMsMin * 2 ** Math.min(failures, 10), askedMs), pauseMsMax);
    await pauseUnless(this.#stop.signal, ms * (0.75 + Math.random() / 4));
  }

  #isWell(message: string): void {
    if (this.fault !== undefined) this.options.log.info(message);
    this.fault = undefined;
    this.#reported = '';
  }

  /** One line for the messages of each reason that came together. */
  #logDeadLetters(letters: readonly DeadLetter[]): void {
    for (const [reason, same] of Map.groupBy(letters, (letter) => letter.reason)) {
      const { topic, partition, offset } = same[0]!.message;
      const first = { topic, partition, offset: String(offset) };
      this.options.log.warn({ reason, messages: same.length, first }, 'dead letter');
    }
  }

  readonly #listeners = {
    onLag: (topic: string, messages: number) => this.options.metrics.lag.set({ topic }, messages),
    onExpired: (topic: string, partition: number, messages: number) => {
      this.options.metrics.expired.inc(messages);
      this.options.log.error(
        { topic, partition, messages },
        "the topic's retention removed messages before they were read: their usage is lost",
      );
    },
  };
}

/** The client's errors hold others that say more. */
function reasonOf(error: Error): string {
  const within =
    error instanceof AggregateError ? (error.errors as Error[]) : error.cause ? [error.cause as Error] : [];
  return [error.message, ...within.slice(0, 1).map(reasonOf)].join(': ').slice(0, 500);
}
