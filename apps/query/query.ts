import type { Sql } from '@usage/db/connection/connect.ts';
import { type Access, namespacesOf } from '@usage/lib/auth/access.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import type { Health } from '@usage/lib/service/health.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import type { Registry } from 'prom-client';
import type { QueryConfig } from './config.ts';
import { evaluationRoutes } from './evaluation/index.ts';
import { debugMetricsRoutes } from './events/debugMetrics.ts';
import { eventListRoutes } from './events/index.ts';
import { eventLookupRoutes } from './events/lookup.ts';
import { usageRoutes } from './meters/index.ts';
import { queryMetrics } from './metrics.ts';
import { portalQueryRoutes } from './portal/index.ts';
import type { Replicas } from './replicas.ts';
import { QueryRunner } from './runner.ts';
import { v3QueryRoutes } from './v3/index.ts';

export interface QueryParts {
  config: Pick<
    QueryConfig,
    | 'queryMsMax'
    | 'queriesMax'
    | 'queriesPerNamespaceMax'
    | 'connectionsMax'
    | 'connectionsPerNamespaceMax'
    | 'deltaCellsMax'
  >;
  sql: Sql;
  access: Access;
  /** undefined = answers don't tell how fresh they are. */
  stream: EventStream | undefined;
  /** undefined = the primary answers everything. */
  replicas?: Replicas | undefined;
  health: Health;
  registry: Registry;
  log: Logger;
  /** The present; the clock's by default. */
  nowMs?: () => number;
}

const bodyBytesMax = 2 * 1024 * 1024;

/** The query service without its connections. */
export function createQuery({
  config,
  sql,
  access,
  stream,
  replicas,
  health,
  registry,
  log,
  nowMs,
}: QueryParts) {
  const namespaceOf = namespacesOf(access);
  const runner = new QueryRunner(sql, stream, config, queryMetrics(registry), log, replicas, nowMs);
  return createServer({ log, health, registry, bodyBytesMax, headersFor: access.headersFor })
    .use(apiDescription(description))
    .use(usageRoutes(runner, namespaceOf))
    .use(eventListRoutes(runner, namespaceOf))
    .use(eventLookupRoutes(runner, namespaceOf))
    .use(debugMetricsRoutes(runner, namespaceOf))
    .use(evaluationRoutes(runner, namespaceOf))
    .use(portalQueryRoutes(runner))
    .use(v3QueryRoutes(runner, namespaceOf));
}

const description = {
  title: 'Usage tracking: queries',
  description: 'How much was used, exactly and at once; and the events themselves. The API is OpenMeter’s.',
  tags: [
    { name: 'Meters', description: 'How much was used.' },
    { name: 'Events', description: 'The events as they were stored.' },
    { name: 'Portal', description: 'Usage that a web page shows to whose it is.' },
    { name: 'OpenMeter v3', description: 'The same in the words of OpenMeter’s v3 API.' },
    { name: 'Operations', description: 'Health and metrics.' },
  ],
};
