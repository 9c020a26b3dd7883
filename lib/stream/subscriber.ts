import type { Redis } from 'ioredis';
import type { Logger } from '../service/log.ts';

/**
 * Hears channels over a connection of its own (Redis lets a subscribed one do nothing else). Messages sent while the
 * connection is down are lost: whoever listens must be able to go without.
 */
export class Subscriber {
  readonly #redis: Redis;
  readonly #log: Logger;
  readonly #channels = new Map<string, (message: string) => void>();

  constructor(redis: Redis, log: Logger) {
    this.#redis = redis;
    this.#log = log;
    redis.on('message', (channel: string, message: string) => this.#channels.get(channel)?.(message));
    redis.on('ready', () => void this.#subscribe([...this.#channels.keys()]));
  }

  /** Now and after every reconnection. Resolves once Redis has confirmed, or at once while it is away. */
  async listen(channel: string, hear: (message: string) => void): Promise<void> {
    this.#channels.set(channel, hear);
    if (this.#redis.status === 'ready') await this.#subscribe([channel]);
  }

  /** Whether messages arrive now. */
  get isConnected(): boolean {
    return this.#redis.status === 'ready';
  }

  async #subscribe(channels: string[]): Promise<void> {
    if (channels.length === 0) return;
    try {
      await this.#redis.subscribe(...channels);
    } catch (error) {
      this.#log.warn({ err: error, channels }, 'could not subscribe');
    }
  }
}
