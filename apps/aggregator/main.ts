import { connect } from '@usage/db/connection/connect.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startFault.ts';
import { readRegistry } from '@usage/db/meters/registry.ts';
import { createServer, listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { waitFor } from '@usage/lib/service/waitFor.ts';
import { Registry } from 'prom-client';
import { readAggregatorConfig } from './config.ts';
import { Loop } from './loop.ts';
import { createMetrics } from './metrics.ts';
import { watchServer } from './serverMetrics.ts';

const connectionsMax = 3;
const statementMsMax = 120_000;

await runApp(async () => {
  const config = readAggregatorConfig();
  await refuseHopelessConnection(config.databaseUrl);
  const log = createLog('aggregator', config.logLevel);
  const app = new App('aggregator', log, config.stopMsMax).letOthersGoFirst();
  const registry = new Registry();
  const health = new Health();
  const server = createServer({ log, health, registry, bodyBytesMax: 1_024 });

  const sql = app.use(
    'database',
    connect({ url: config.databaseUrl, name: 'aggregator', connectionsMax, statementMsMax }),
    (pool) => pool.end({ timeout: 5 }),
  );
  const loop = new Loop(app, sql, config, createMetrics(registry));
  app.use(
    'server metrics',
    watchServer(registry, sql, log, config.asyncReplication === 'refuse'),
    clearInterval,
  );
  let running = false;
  health.live('loop', () => (running ? loop.stuck : undefined));
  health.ready('loop', () => (running ? loop.fault : 'waiting for the database'));
  app.use('operations server', listen(server, config.host, config.port), () => stopListening(server));

  const started = waitFor(app, 'the database', async () => {
    await refuseHopelessConnection(config.databaseUrl);
    await readRegistry(sql);
    loop.start();
    running = true;
    log.info('aggregating');
  });
  app.use('loop', started, async () => {
    health.stopping();
    await started;
    await loop.stopped();
  });
  await app.runUntilSignal();
});
