import { keySource } from '@usage/db/access/keySource.ts';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startError.ts';
import { streamShards } from '@usage/db/events/streamShards.ts';
import { defaultNamespace } from '@usage/lib/auth/key.ts';
import { keysChannel, startAccess } from '@usage/lib/auth/start.ts';
import { listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { ConfigError, readConfig } from '@usage/lib/service/config.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { waitFor } from '@usage/lib/service/waitFor.ts';
import { ShardCountWatch } from '@usage/lib/stream/shardCount.ts';
import { refuseHopelessRedis } from '@usage/lib/stream/startError.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { useRedis } from '@usage/lib/stream/useRedis.ts';
import { Registry } from 'prom-client';
import { type GatewayConfig, gatewaySettings } from './config.ts';
import { readConsoleFiles } from './console/files.ts';
import { Outcomes } from './events/outcomes.ts';
import { createGateway, type Gateway } from './gateway.ts';
import { applyMetersFile } from './meters/file.ts';
import { readMapping } from './otlp/mapping.ts';

const name = 'gateway';
const connectionsMax = 4;
const statementMsMax = 10_000;
/**
 * How long the start waits for Redis; it goes on without, and refuses events until Redis is there. Long, because a new
 * replica that refuses what the others take fails requests, while one that does not listen yet is passed over.
 */
const firstLookMsMax = 10_000;
/** Without PostgreSQL the gateway begins with the first shard, which is always there. */
const firstCountMsMax = 2_000;

await runApp(run);

async function run(): Promise<void> {
  const config = readConfig(gatewaySettings);
  const log = createLog(name, config.logLevel);
  await refuseHopelessConnection(config.databaseUrl, log);
  await refuseHopelessRedis({ url: config.redisUrl, caFile: config.redisCaFile }, log);
  const app = new App(name, log, config.stopMsMax);
  const health = new Health();
  const registry = new Registry();

  const { sql, redis, stream, subscriber } = connectServers(app, config);
  const outcomes = app.use('outcomes', new Outcomes(subscriber), (one) => one.stop());
  await outcomes.start(config.streamName);
  const { access, look } = await startAccess({
    app,
    config,
    openSource: () => keySource(config.databaseUrl, name),
    redis: redis.home,
    subscriber,
    registry,
  });
  const keysChanged = async () => {
    await look();
    await redis.home.publish(keysChannel(config.streamName), '').catch(() => {});
  };
  const gateway = createGateway({
    config,
    sql,
    stream,
    access,
    keysChanged,
    outcomes,
    consoleFiles: await readConsoleFiles(config.consoleFolder),
    otlpRules: await readMapping(config.otlpMappingFile),
    health,
    registry,
    log,
  });
  gateway.activity.start();
  gateway.sums.start();
  app.use('cumulative sums', gateway.sums, (sums) => sums.stop());
  app.use('activity', gateway.activity, (recorder) => recorder.stop());
  await followShardCount(app, sql, stream, gateway);
  app.use('pressure gate', gateway.gate, (gate) => gate.stop());
  app.use('frames', gateway.batcher, (batcher) => batcher.drain());

  redis.onReady(() => void gateway.gate.poll());
  if (redis.isReady) void gateway.gate.poll();
  await Promise.race([gateway.gate.looked, Bun.sleep(firstLookMsMax)]);
  await gateway.gate.start();
  const port = listen(gateway.app, config.host, config.port);
  app.use('http', gateway.app, (server) => stopListening(server, (config.stopMsMax * 2) / 3));
  app.use('readiness', health, () => health.stopping());
  log.info({ host: config.host, port }, 'listening');

  void applyMeters(app, sql, config.metersFile);
  await app.runUntilSignal();
}

function connectServers(app: App, config: GatewayConfig) {
  const { databaseUrl, redisUrl, redisCaFile, streamName, replicasMin, appendMsMax } = config;
  const sql = app.use(
    'database',
    connect({ url: databaseUrl, name, connectionsMax, statementMsMax }),
    (pool) => pool.end({ timeout: 5 }),
  );
  const { redis, subscriber } = useRedis(app, { redisUrl, redisCaFile, commandMsMax: appendMsMax });
  return { sql, redis, stream: new EventStream(redis, streamName, { replicasMin }), subscriber };
}

/** Resolves when the gateway knows the shards, or after `firstCountMsMax`; it follows their number from then on. */
async function followShardCount(app: App, sql: Sql, stream: EventStream, gateway: Gateway): Promise<void> {
  const shards = new ShardCountWatch(
    () => streamShards(sql),
    ({ read, written }) => {
      stream.useShards(read);
      gateway.gate.writeTo(written);
      gateway.batcher.shards = written;
    },
    app.log,
  );
  const counted = app.use('number of shards', shards, (watch) => watch.stop()).start();
  await Promise.race([counted, Bun.sleep(firstCountMsMax)]);
}

async function applyMeters(app: App, sql: Sql, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await waitFor(app, 'the database, to apply METERS_FILE', async () => {
    await applyMetersFile(path, sql, defaultNamespace, app.log).catch((error) =>
      stopOnConfigError(app, error),
    );
  });
}

/** A METERS_FILE that is wrong stops the app: waiting would not mend it. */
function stopOnConfigError(app: App, error: unknown): void {
  if (!(error instanceof ConfigError)) throw error;
  app.log.fatal({ issues: error.issues }, error.message);
  app.stopBecause('fault: METERS_FILE');
}
