import { createServer, listen, stopListening } from '@usage/lib/http/server.ts';
import { App } from '@usage/lib/service/app.ts';
import { readConfig } from '@usage/lib/service/config.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { runApp } from '@usage/lib/service/runApp.ts';
import { Registry } from 'prom-client';
import { kafkaSettings } from './config.ts';
import { connectionOf } from './connection.ts';
import { DeadLetterTopic } from './deadLetters.ts';
import { Gateway } from './gateway.ts';
import { readMapping } from './mapping.ts';
import { kafkaMetrics } from './metrics.ts';
import { KafkaSource } from './source.ts';

await runApp(async () => {
  const config = readConfig(kafkaSettings);
  const rules = await readMapping(config.mappingFile);
  const connection = await connectionOf(config);
  const log = createLog('kafka', config.logLevel);
  const app = new App('kafka', log, config.stopMsMax);
  const registry = new Registry();
  const health = new Health();
  const server = createServer({ log, health, registry, bodyBytesMax: 1_024 });

  const source = new KafkaSource({
    session: {
      connection,
      group: config.group,
      topics: [...rules.keys()],
      sessionMsMax: config.sessionMsMax,
    },
    gateway: new Gateway(config.gatewayUrl, config.apiKey),
    rules,
    dedupeWindowHours: config.dedupeWindowHours,
    deadLetters: new DeadLetterTopic(config.deadLetterTopic, connection),
    metrics: kafkaMetrics(registry),
    log,
  });
  health.ready('kafka', () => source.fault);
  const port = listen(server, config.host, config.port);
  app.use('operations server', server, stopListening);
  source.start();
  app.use('source', source, async () => {
    health.stopping();
    await source.stop();
  });
  log.info({ host: config.host, port, topics: [...rules.keys()] }, 'listening');
  await app.runUntilSignal();
});
