import { connect } from '@usage/db/connection/connect.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startError.ts';
import { readRegistry } from '@usage/db/meters/registry.ts';
import { createServer, listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { waitFor } from '@usage/lib/service/waitFor.ts';
import { Registry } from 'prom-client';
import { BackfillService } from './backfillService.ts';
import { readAggregatorConfig } from './config.ts';
import { DaysService } from './daysService.ts';
import { MergeService } from './mergeService.ts';
import { createMetrics } from './metrics.ts';
import { RemakeService } from './remakeService.ts';
import { Runner } from './runner.ts';
import { watchServer } from './serverMetrics.ts';
import { UpkeepService } from './upkeepService.ts';

/** For metrics; each service has a connection of its own. */
const connectionsMax = 1;
const statementMsMax = 10_000;

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
    connect({ url: config.databaseUrl, name: 'aggregator metrics', connectionsMax, statementMsMax }),
    (pool) => pool.end({ timeout: 5 }),
  );
  app.use(
    'server metrics',
    watchServer(registry, sql, log, config.asyncReplication === 'refuse'),
    clearInterval,
  );
  const metrics = createMetrics(registry);
  const services = [
    new MergeService(config, metrics),
    new BackfillService(config, metrics),
    new DaysService(metrics),
    new UpkeepService(config, metrics),
    new RemakeService(metrics),
  ];
  const runners = services.map((service) => new Runner(app, config.databaseUrl, service, metrics));
  let running = false;
  for (const runner of runners) {
    health.live(runner.service.name, () => (running ? runner.stuck : undefined));
    health.ready(runner.service.name, () => (running ? runner.fault : 'waiting for the database'));
  }
  app.use('operations server', listen(server, config.host, config.port), () => stopListening(server));

  const started = waitFor(app, 'the database', async () => {
    await refuseHopelessConnection(config.databaseUrl);
    await readRegistry(sql);
    for (const runner of runners) runner.start();
    running = true;
    log.info('aggregating');
  });
  app.use('services', started, async () => {
    health.stopping();
    await started;
    await Promise.all(runners.map((runner) => runner.stopped()));
  });
  await app.runUntilSignal();
});
