import './tracing.ts';
import { Redis } from 'ioredis';
import type { Logger } from '../service/log.ts';

export interface RedisOptions {
  url: string;
  /** Shown in CLIENT LIST. */
  name: string;
  log: Logger;
  /** How long a command may take; blocking reads need more than their BLOCK. */
  commandMsMax: number;
}

const connectMsMax = 5_000;
const retryMsMax = 1_000;

/** A connection that reconnects by itself. Commands fail at once while it is down: nobody waits in a hidden queue. */
export function connectRedis({ url, name, log, commandMsMax }: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    connectTimeout: connectMsMax,
    commandTimeout: commandMsMax,
    // A connection that has swallowed a command is cut: the next one may work.
    socketTimeout: commandMsMax,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, retryMsMax) * (0.5 + Math.random() / 2),
    lazyConnect: true,
  });
  let lastMessage = '';
  redis.on('error', (error: Error) => {
    if (error.message !== lastMessage) log.warn({ err: error }, 'redis connection failed');
    lastMessage = error.message;
  });
  redis.on('ready', () => {
    lastMessage = '';
    log.info({ redis: name }, 'redis connected');
  });
  // The first attempt may fail: the retries go on in the background and readiness tells.
  redis.connect().catch(() => {});
  return redis;
}
