import type { App } from '../service/app.ts';
import { connectRedis, connectSubscribers, type RedisServers } from './redis.ts';
import { Subscriber } from './subscriber.ts';

const subscribeMsMax = 3_000;

/** An app's connections to Redis, for commands and for channels; the app closes them when it stops. */
export function useRedis(
  app: App,
  {
    redisUrl,
    redisCaFile,
    commandMsMax,
  }: { redisUrl: string; redisCaFile: string | undefined; commandMsMax: number },
): { redis: RedisServers; subscriber: Subscriber } {
  const { name, log } = app;
  const options = { url: redisUrl, caFile: redisCaFile, log };
  const redis = app.use('redis', connectRedis({ ...options, name, commandMsMax }), (it) => it.disconnect());
  const connections = connectSubscribers({
    ...options,
    name: `${name} subscriber`,
    commandMsMax: subscribeMsMax,
  });
  const subscriber = app.use('redis subscriber', new Subscriber(connections, log), (it) => it.disconnect());
  return { redis, subscriber };
}
