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
import { type QueryConfig, querySettings } from './config.ts';
import { createQuery } from './query.ts';
import { Replicas } from './replicas.ts';

const name = 'query';

await runApp(async () => {
  const config = readConfig(querySettings);
  const log = createLog(name, config.logLevel);
  await refuseHopelessConnection(config.databaseUrl, log);
  await refuseHopelessRedis({ url: config.redisUrl, caFile: config.redisCaFile }, log);
  const app = new App(name, log, config.stopMsMax);
  const health = new Health();
  const registry = new Registry();

  const { databaseUrl: url, connectionsMax, queryMsMax: statementMsMax } = config;
  const sql = app.use('database', connect({ url, name, connectionsMax, statementMsMax }), (pool) =>
    pool.end({ timeout: 5 }),
  );
  const { redis, subscriber } = useRedis(app, { ...config, commandMsMax: config.freshnessMsMax });
  health.ready('database', async () => {
    await readRegistry(sql);
    return undefined;
  });
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
  const replicas = config.replicaUrl
    ? app.use('replicas', new Replicas(config.replicaUrl, sql, stream, replicaLimits(config), log), (all) =>
        all.stop(),
      )
    : undefined;
  replicas?.watch(registry);
  await replicas?.start();
  const server = createQuery({
    config,
    sql,
    access,
    stream,
    replicas,
    health,
    registry,
    log,
  });
  const port = listen(server, config.host, config.port);
  app.use('http', server, stopListening);
  app.use('readiness', health, () => health.stopping());
  log.info({ host: config.host, port }, 'listening');

  await app.runUntilSignal();
});

function replicaLimits(config: QueryConfig) {
  const { connectionsMax, queryMsMax, replicaLagMsMax: lagMsMax } = config;
  return { connectionsMax, queryMsMax, lagMsMax };
}
