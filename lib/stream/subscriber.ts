import type { Redis } from 'ioredis';
import type { Logger } from '../service/log.ts';

/**
 * Listens to channels over connections of its own (Redis lets a subscribed one do nothing else). Messages sent while a
 * connection is down are lost: whoever listens must be able to go without. With several connections to one cluster each
 * message comes over every one: to take one twice must be harmless.
 */
export class Subscriber {
  readonly #connections: readonly Redis[];
  readonly #log: Logger;
  readonly #channels = new Map<string, (message: string) => void>();

  constructor(connections: readonly Redis[], log: Logger) {
    this.#connections = connections;
    this.#log = log;
    for (const redis of connections) {
      redis.on('message', (channel: string, message: string) => this.#channels.get(channel)?.(message));
      redis.on('ready', () => void this.#subscribe(redis, [...this.#channels.keys()]));
    }
  }

  /** Now and after every reconnection. Resolves once Redis has confirmed, or at once while it is away. */
  async listen(channel: string, take: (message: string) => void): Promise<void> {
    this.#channels.set(channel, take);
    const ready = this.#connections.filter(({ status }) => status === 'ready');
    await Promise.all(ready.map((redis) => this.#subscribe(redis, [channel])));
  }

  /** Whether messages arrive now. */
  get isConnected(): boolean {
    return this.#connections.some(({ status }) => status === 'ready');
  }

  disconnect(): void {
    for (const redis of this.#connections) redis.disconnect();
  }

  async #subscribe(redis: Redis, channels: string[]): Promise<void> {
    if (channels.length === 0) return;
    try {
      await redis.subscribe(...channels);
    } catch (error) {
      this.#log.warn({ err: error, channels }, 'could not subscribe');
    }
  }
}
