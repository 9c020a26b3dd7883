import pino from 'pino';
import type { Logger } from '../service/log.ts';
import { StartError } from '../service/startError.ts';
import { connectRedis, type RedisOptions } from './redis.ts';

/** How long a start waits for Redis before it takes it for away. */
const answerMsMax = 3_000;
const pollMs = 10;

/** What no later attempt mends: logins, rights, certificates, and something else that listens there. */
const hopeless =
  /WRONGPASS|NOAUTH|NOPERM|invalid password|AUTH.*(?:called without|no password)|certificate|self.signed|wrong version number|packet length too long|ERR_TLS|ERR_SSL|ENOENT/i;

/** Why Redis can't be used now: undefined when it answers. `hopeless`: waiting will not help. */
export async function redisFault(
  options: Omit<RedisOptions, 'log' | 'name' | 'commandMsMax'>,
): Promise<{ reason: string; hopeless: boolean } | undefined> {
  let reason = '';
  const log = pino(
    { serializers: { err: (error: Error & { code?: string }) => error.message || error.code } },
    {
      write(line: string) {
        reason = JSON.parse(line).err ?? reason;
      },
    },
  );
  const redis = connectRedis({ ...options, name: 'start', log, commandMsMax: answerMsMax });
  try {
    const deadline = performance.now() + answerMsMax;
    while (!redis.isReady && performance.now() < deadline && reason === '') await Bun.sleep(pollMs);
    if (redis.isReady && !hopeless.test(reason)) return undefined;
    return { reason: reason || `no answer within ${answerMsMax} ms`, hopeless: hopeless.test(reason) };
  } finally {
    redis.disconnect();
  }
}

/** Throws a StartError where Redis is there and refuses us; only warns where it isn't there yet, which an app waits for. */
export async function refuseHopelessRedis(
  options: { url: string; caFile?: string | undefined },
  log?: Logger,
): Promise<void> {
  const fault = await redisFault(options);
  if (!fault) return;
  if (fault.hopeless) throw redisStartError(fault.reason);
  log?.warn(
    { reason: fault.reason },
    'Redis can not be reached: this app is not ready, and goes on as soon as it is there; is REDIS_URL right?',
  );
}

export function redisStartError(reason: string): StartError {
  return new StartError(
    `Redis can't be used through REDIS_URL (${reason}): correct its user, password, scheme (rediss:// for TLS) or REDIS_CA_FILE.`,
  );
}
