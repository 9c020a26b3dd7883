import { hostname } from 'node:os';
import { connect } from '@usage/db/connection/connect.ts';
import { refuseLoss } from '@usage/db/connection/durability.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startError.ts';
import { streamShards } from '@usage/db/events/streamShards.ts';
import { createServer, listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { waitFor } from '@usage/lib/service/waitFor.ts';
import { connectRedis } from '@usage/lib/stream/redis.ts';
import { ShardCountWatch } from '@usage/lib/stream/shardCount.ts';
import { refuseHopelessRedis } from '@usage/lib/stream/startError.ts';
import { clockSkewMsMax, EventStream } from '@usage/lib/stream/stream.ts';
import { hourMs } from '@usage/lib/windows/units.ts';
import { Registry } from 'prom-client';
import { type ProcessorConfig, readProcessorConfig } from './config.ts';
import { FrameConsumer } from './frameConsumer.ts';
import { IdentityUpkeep } from './identityUpkeep.ts';
import { Loop } from './loop.ts';
import { createMetrics } from './metrics.ts';
import { outcomeMessages } from './publishOutcomes.ts';
import { Store } from './store.ts';

const connectionsMax = 4;
const statementMsMax = 60_000;
/** Below what the store waits for an answer: a lock is waited for in turns, and nothing queues up behind it. */
const lockMsMax = 5_000;
const commandMsMax = 5_000;

await runApp(async () => {
  const config = readProcessorConfig();
  await refuseHopelessConnection(config.databaseUrl);
  await refuseHopelessRedis({ url: config.redisUrl, caFile: config.redisCaFile });
  const log = createLog('processor', config.logLevel);
  const app = new App('processor', log, config.stopMsMax).letOthersGoFirst();
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const health = new Health();
  const server = createServer({ log, health, registry, bodyBytesMax: 1_024 });
  const name = `${hostname()}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;

  const { sql, redis, stream, reading } = connectServers(app, config);
  const source = new FrameConsumer(reading, stream, name, config.claimIdleMsMin, log);
  source.useShards(1);
  const shards = new ShardCountWatch(
    () => streamShards(sql),
    ({ read }) => source.useShards(read),
    log,
  );
  void app.use('number of shards', shards, (watch) => watch.stop()).start();

  let loop: Loop | undefined;
  let identities: IdentityUpkeep | undefined;
  health.live('loop', () => loop?.stuck);
  health.ready('loop', () => (loop ? loop.fault : 'waiting for the database and Redis'));
  health.ready('redis', () => (redis.isReady ? undefined : 'Redis can not be reached'));
  app.use('operations server', listen(server, config.host, config.port), () => stopListening(server));

  const started = waitFor(app, 'the database and Redis', async () => {
    await refuseHopelessConnection(config.databaseUrl);
    if (config.asyncReplication === 'refuse') await refuseLoss(sql);
    const dedupeWindowMs = config.dedupeWindowHours * hourMs + clockSkewMsMax;
    await source.start();
    loop = new Loop(
      config,
      source,
      new Store(sql, dedupeWindowMs, name),
      sql,
      metrics,
      log,
      outcomeMessages(config.streamName),
    );
    loop.start();
    identities = new IdentityUpkeep(sql, stream, dedupeWindowMs, log);
    identities.start();
    log.info({ processor: name, dedupeWindowMs }, 'processing');
  });

  app.use('loop', started, async () => {
    health.stopping();
    await started;
    await identities?.stop();
    await loop?.stop();
    await source.leave().catch(() => {});
  });
  await app.runUntilSignal();
});

/** `reading` has a connection of its own: it blocks while there are no frames. */
function connectServers(app: App, config: ProcessorConfig) {
  const { databaseUrl, redisUrl, redisCaFile, streamName } = config;
  const sql = app.use(
    'database',
    connect({ url: databaseUrl, name: 'processor', connectionsMax, statementMsMax, lockMsMax }),
    (pool) => pool.end({ timeout: 5 }),
  );
  const redisOptions = { url: redisUrl, caFile: redisCaFile, log: app.log, commandMsMax };
  const redis = app.use('redis', connectRedis({ ...redisOptions, name: 'processor' }), (it) =>
    it.disconnect(),
  );
  const reader = app.use('redis reader', connectRedis({ ...redisOptions, name: 'processor-reader' }), (it) =>
    it.disconnect(),
  );
  const stream = new EventStream(redis, streamName);
  return { sql, redis, stream, reading: new EventStream(reader, streamName) };
}
