import { keySource } from '@usage/db/access/keySource.ts';
import { connect } from '@usage/db/connection/connect.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startError.ts';
import { streamShards } from '@usage/db/events/streamShards.ts';
import { readRegistry } from '@usage/db/meters/registry.ts';
import { startAccess } from '@usage/lib/auth/start.ts';
import { listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { readConfig } from '@usage/lib/service/config.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { refuseHopelessRedis } from '@usage/lib/stream/startError.ts';
import { useRedis } from '@usage/lib/stream/useRedis.ts';
import { watchedStream } from '@usage/lib/stream/watchedStream.ts';
import { Registry } from 'prom-client';
import { limitsSettings } from './config.ts';
import { createLimits } from './limits.ts';

const name = 'limits';

await runApp(run);

async function run(): Promise<void> {
  const config = readConfig(limitsSettings);
  const log = createLog(name, config.logLevel);
  await refuseHopelessConnection(config.databaseUrl, log);
  await refuseHopelessRedis({ url: config.redisUrl, caFile: config.redisCaFile }, log);
  const app = new App(name, log, config.stopMsMax);
  const health = new Health();

  const { redis, subscriber } = useRedis(app, { ...config, commandMsMax: config.freshnessMsMax });
  const { databaseUrl: url, connectionsMax, statementMsMax } = config;
  const sql = app.use('database', connect({ url, name, connectionsMax, statementMsMax }), (pool) =>
    pool.end({ timeout: 5 }),
  );
  health.ready('database', async () => {
    await readRegistry(sql);
    return undefined;
  });
  const registry = new Registry();
  const { access } = await startAccess({
    app,
    config,
    openSource: () => keySource(config.databaseUrl, name),
    redis: redis.home,
    subscriber,
    registry,
  });
  const { streamName } = config;
  const stream = watchedStream({ app, redis, streamName, look: () => streamShards(sql), log });
  const {
    app: server,
    loops,
    stop,
  } = createLimits({
    config,
    sql,
    stream,
    access,
    health,
    registry,
    log,
  });
  for (const loop of loops) loop.start();
  app.use('loops', loops, stop);
  const port = listen(server, config.host, config.port);
  app.use('http', server, stopListening);
  app.use('readiness', health, () => health.stopping());
  log.info({ host: config.host, port }, 'listening');

  await app.runUntilSignal();
}
