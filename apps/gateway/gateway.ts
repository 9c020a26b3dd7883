import type { Sql } from '@usage/db/connection/connect.ts';
import { addActivity } from '@usage/db/events/activity.ts';
import { type Access, namespacesOf } from '@usage/lib/auth/access.ts';
import type { FrameVersion } from '@usage/lib/frame/encode.ts';
import { BodyReader } from '@usage/lib/http/body.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import { limitsTags } from '@usage/lib/limits/api/index.ts';
import type { Health } from '@usage/lib/service/health.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { clockSkewMsMax, type EventStream } from '@usage/lib/stream/stream.ts';
import type { Registry } from 'prom-client';
import { activityRoutes } from './activity/index.ts';
import { ActivityRecorder } from './activity/recorder.ts';
import { backfillRoutes } from './backfills/index.ts';
import { requireOpen } from './backfills/service.ts';
import type { GatewayConfig } from './config.ts';
import type { ConsoleFile } from './console/files.ts';
import { consoleRoutes } from './console/index.ts';
import { correctionRoutes } from './corrections/index.ts';
import { deadLetterRoutes } from './deadLetters/index.ts';
import { frameAppender } from './events/append.ts';
import { isLines } from './events/contentType.ts';
import { eventRoutes } from './events/index.ts';
import type { Outcomes } from './events/outcomes.ts';
import { FrameBatcher } from './frameBatcher.ts';
import { keyRoutes } from './keys/index.ts';
import type { KeysChanged } from './keys/service.ts';
import { limitsProxyRoutes } from './limitsProxy.ts';
import { meterRoutes, progressRoutes } from './meters/index.ts';
import { createMetrics, watchQueue } from './metrics.ts';
import { CumulativeSums } from './otlp/cumulative.ts';
import { keepTexts, otlpRoutes } from './otlp/index.ts';
import type { Rule } from './otlp/mapping.ts';
import { portalRoutes } from './portal/index.ts';
import { PressureGate } from './pressure.ts';
import { readRoutes } from './queryProxy.ts';
import { sessionRoutes } from './session/index.ts';
import { watchStream } from './streamMetrics.ts';
import { subjectRoutes } from './subjects/index.ts';
import { v3Routes } from './v3/index.ts';

export interface GatewayParts {
  config: GatewayConfig;
  sql: Sql;
  stream: EventStream;
  access: Access;
  keysChanged: KeysChanged;
  outcomes: Outcomes;
  /** Of its build, by path; empty = there is no console. */
  consoleFiles: ReadonlyMap<string, ConsoleFile>;
  /** Which OTLP records become events; none where it is left out. */
  otlpRules?: readonly Rule[];
  health: Health;
  registry: Registry;
  log: Logger;
}

/** A little more than /api/v1/activity looks back. */
const activityKeptMs = 70 * 60_000;

export type Gateway = ReturnType<typeof createGateway>;

/** The gateway without its connections: routes, batcher and gate. Nothing runs until the gate is started. */
export function createGateway(parts: GatewayParts) {
  const { config, sql, stream, access, keysChanged, outcomes, consoleFiles, health, registry, log } = parts;
  const namespaceOf = namespacesOf(access);
  const metrics = createMetrics(registry);
  const gate = new PressureGate(
    () => stream.look(),
    (shard) => stream.shard(shard).savePoints(),
    {
      pollMs: config.pressurePollMs,
      memoryPercentMax: config.memoryPercentMax,
      memoryBytesMax: config.memoryBytesMax,
      framesMax: config.framesMax,
      clockSkewMsMax,
      persistence: config.redisPersistence,
      replicasMin: config.replicasMin,
      isClusterClient: stream.isOnCluster,
    },
    log,
    () => metrics.streamWentBack.inc(),
  );
  const batcher = new FrameBatcher(
    frameAppender(stream, gate, config.frameVersion as FrameVersion, metrics),
    {
      lingerMs: config.frameLingerMs,
      frameBytesMax: config.frameBytesMax,
      frameEventsMax: config.frameEventsMax,
      appendsMax: config.appendsMax,
      queuedBytesMax: config.queuedBytesMax,
    },
  );
  watchQueue(registry, batcher, gate);
  watchStream(registry, gate);
  health.ready('stream', () => gate.refusal);
  const activity = new ActivityRecorder((rows) => addActivity(sql, rows, Date.now() - activityKeptMs), log);
  const bodies = new BodyReader(config.bodyMsMax, config.bodiesBytesMax);
  const requireBackfill = (namespace: string, id: string) => requireOpen(sql, namespace, id);
  const ingest = { gate, batcher, limits: config, bodies, metrics, outcomes, activity, requireBackfill };
  const sums = new CumulativeSums(sql, (namespace, events) => keepTexts(ingest, namespace, events), log);
  const app = createServer({
    log,
    health,
    registry,
    bodyBytesMax: config.bodyBytesMax,
    isStreamed: isLines,
    headersFor: access.headersFor,
  })
    .use(apiDescription(description))
    .use(eventRoutes(ingest, access))
    .use(otlpRoutes({ ingest, access, rules: parts.otlpRules ?? [], sums }))
    .use(meterRoutes({ sql, namespaceOf }))
    .use(progressRoutes({ sql, namespaceOf }))
    .use(subjectRoutes({ sql, namespaceOf }))
    .use(deadLetterRoutes({ sql, stream, access }))
    .use(correctionRoutes({ sql, access }))
    .use(backfillRoutes({ sql, stream, access }))
    .use(portalRoutes({ sql, access }))
    .use(v3Routes({ sql, namespaceOf, access, ingest }))
    .use(keyRoutes({ sql, access, keysChanged }))
    .use(activityRoutes({ sql, stream, access }))
    .use(sessionRoutes(access))
    .use(consoleRoutes(consoleFiles))
    .use(readRoutes(config, access))
    .use(limitsProxyRoutes(config, access));
  return { app, gate, batcher, activity, sums };
}

const description = {
  title: 'Usage tracking: gateway',
  description:
    'Takes usage events, manages meters and subjects, answers how much was used. The API is OpenMeter’s v1.',
  tags: [
    { name: 'Events', description: 'Usage goes in here.' },
    { name: 'Meters', description: 'What is measured, and how much of it was used.' },
    { name: 'Subjects', description: 'Whose usage it is.' },
    ...limitsTags,
    { name: 'Portal', description: 'Usage that a web page shows to whose it is.' },
    { name: 'OpenMeter v3', description: 'The same in the words of OpenMeter’s v3 API.' },
    { name: 'Keys', description: 'Who may do what.' },
    { name: 'Corrections', description: 'Events that count no more, or otherwise than they came.' },
    { name: 'Dead letters', description: 'What could not be stored, and why.' },
    { name: 'Operations', description: 'Health and metrics.' },
  ],
};
