import { Gauge, type Registry } from 'prom-client';
import type { App } from '../service/app.ts';
import type { RedisClient } from '../stream/redis.ts';
import type { Subscriber } from '../stream/subscriber.ts';
import { type Access, keyAccess, openAccess } from './access.ts';
import { KeyRing, type KeySource } from './keyRing.ts';
import { KeyUse, type KeyUseStore } from './keyUse.ts';
import { RateLimits } from './rateLimits.ts';
import { type SessionSource, Sessions } from './sessions.ts';
import { type AuthConfig, checkAuth, refuseWithoutKeys } from './settings.ts';

export interface AccessParts {
  app: App;
  config: AuthConfig & { streamName: string };
  openSource: () => KeySource & SessionSource & KeyUseStore & { end(): Promise<void> };
  /** Of the app, for the counts that the apps share. */
  redis: RedisClient;
  subscriber: Subscriber;
  registry: Registry;
}

export interface StartedAccess {
  access: Access;
  /** Looks at the keys at once; nothing with AUTH=off. */
  look(): Promise<void>;
}

/**
 * Who may use this app, by its settings. Throws a ConfigError where it would be open to others than this machine, and
 * where there is no key at all. While PostgreSQL is away it starts with ADMIN_API_KEY alone.
 */
export async function startAccess(parts: AccessParts): Promise<StartedAccess> {
  const { app, config, openSource, redis, subscriber, registry } = parts;
  checkAuth(config);
  if (config.auth === 'off') {
    app.log.warn('AUTH=off: whoever reaches this port may read and write');
    return { access: openAccess(), look: async () => {} };
  }
  const source = app.use('key source', openSource(), (one) => one.end());
  const ring = app.use('keys', new KeyRing(source, app.log), (one) => one.stop());
  watch(ring, registry);
  await ring.start();
  if (ring.isLoaded && ring.size === 0 && config.adminApiKey === undefined) refuseWithoutKeys();
  await subscriber.listen(keysChannel(config.streamName), () => void ring.look());
  const limits = new RateLimits(redis, config.streamName);
  const sessions = app.use('sessions', new Sessions(source, app.log), (all) => all.stop());
  await sessions.start();
  const use = app.use('use of keys', new KeyUse(source, app.log), (one) => one.stop());
  use.start();
  return { access: keyAccess(ring, config.adminApiKey, limits, sessions, use), look: () => ring.look() };
}

/** The channel on which a change of the keys is published; an app that misses the message finds the change a second later. */
export function keysChannel(streamName: string): string {
  return `{${streamName}}:keys`;
}

/** Read when Prometheus asks. */
function watch(ring: KeyRing, registry: Registry): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  gauge('usage_api_keys', 'Active API keys known to this app', () => ring.size);
  gauge('usage_api_keys_age_seconds', 'Since the keys were last known to be right', () => ring.ageSeconds);
}
