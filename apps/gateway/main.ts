import { once } from 'node:events';
import { listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { readConfig } from '@usage/lib/service/config.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { connectRedis } from '@usage/lib/stream/redis.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { Registry } from 'prom-client';
import { gatewaySettings } from './config.ts';
import { createGateway } from './gateway.ts';

const name = 'gateway';
/** How long the start waits for Redis; it goes on without, and refuses events until Redis is there. */
const firstConnectMsMax = 1_000;

try {
  const config = readConfig(gatewaySettings);
  const log = createLog(name, config.logLevel);
  const app = new App(name, log, config.stopMsMax);
  const health = new Health();

  const redis = app.use(
    'redis',
    connectRedis({ url: config.redisUrl, name, log, commandMsMax: config.appendMsMax }),
    (client) => client.disconnect(),
  );
  const stream = new EventStream(redis);
  const gateway = createGateway({ config, stream, health, registry: new Registry(), log });
  app.use('pressure gate', gateway.gate, (gate) => gate.stop());
  app.use('frames', gateway.batcher, (batcher) => batcher.drain());
  if (redis.status !== 'ready') await Promise.race([once(redis, 'ready'), Bun.sleep(firstConnectMsMax)]);
  await gateway.gate.start();
  redis.on('ready', () => gateway.gate.poll());
  const port = listen(gateway.app, config.host, config.port);
  app.use('http', gateway.app, stopListening);
  app.use('readiness', health, () => health.stopping());
  log.info({ host: config.host, port }, 'listening');

  await app.runUntilSignal();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
