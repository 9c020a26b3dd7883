import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import { limitsTags } from '@usage/lib/limits/api/index.ts';
import { operationsOf } from '@usage/lib/limits/api/ownedEntitlements.ts';
import type { Health } from '@usage/lib/service/health.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import type { Registry } from 'prom-client';
import { accessHandlers } from './access/handlers.ts';
import { auditHandlers } from './audit/handlers.ts';
import { billingHandlers } from './billing/handlers.ts';
import { freshnessOf } from './checks/freshness.ts';
import { type CheckLimits, CheckRunner } from './checks/runner.ts';
import type { LimitsConfig } from './config.ts';
import { customerHandlers } from './customers/handlers.ts';
import { entitlementHandlers } from './entitlements/handlers.ts';
import { ownedEntitlementHandlers } from './entitlements/ownedHandlers.ts';
import { featureHandlers } from './features/handlers.ts';
import { apiRoutes, type Handler } from './http/routes.ts';
import { limitsMetrics } from './metrics.ts';
import { Deliveries } from './notifications/deliver.ts';
import { notificationHandlers } from './notifications/handlers.ts';
import { notificationRetention } from './notifications/retention.ts';
import type { SendOptions } from './notifications/send.ts';
import { ThresholdWatch } from './notifications/watcher.ts';
import { reservationHandlers } from './reservations/handlers.ts';
import { reservationSweep } from './reservations/sweep.ts';

export interface LimitsParts {
  config: CheckLimits & Pick<LimitsConfig, 'webhookMsMax' | 'webhookAddresses' | 'notificationDays'>;
  sql: Sql;
  stream: EventStream;
  access: Access;
  health: Health;
  registry: Registry;
  log: Logger;
}

const bodyBytesMax = 2 * 1024 * 1024;

/** The limits service without its connections. */
export function createLimits({ config, sql, stream, access, health, registry, log }: LimitsParts) {
  const metrics = limitsMetrics(registry);
  const webhooks: SendOptions = { msMax: config.webhookMsMax, addresses: config.webhookAddresses };
  const checks = new CheckRunner(sql, config, metrics);
  const parts = { sql, checks, freshness: freshnessOf(stream) };
  const handlers = {
    ...customerHandlers(sql),
    ...featureHandlers(sql),
    ...operationsOf<Handler>(ownedEntitlementHandlers(parts, 'v1'), ownedEntitlementHandlers(parts, 'v2')),
    ...entitlementHandlers(parts),
    ...accessHandlers(parts),
    ...reservationHandlers(sql, checks),
    ...notificationHandlers(sql, webhooks),
    ...billingHandlers(),
    ...auditHandlers(sql),
  };
  const sweep = reservationSweep(sql, metrics, log);
  const watch = new ThresholdWatch(sql, checks, metrics, log);
  const deliveries = new Deliveries(sql, webhooks, metrics, log);
  const retention = notificationRetention(sql, config.notificationDays, log);
  const loops = [sweep, watch.loop, deliveries.loop, retention];
  const stop = async () => {
    await Promise.all([sweep.stop(), watch.stop(), deliveries.stop(), retention.stop()]);
  };
  const app = createServer({ log, health, registry, bodyBytesMax, headersFor: access.headersFor })
    .use(apiDescription(description))
    .use(apiRoutes(handlers, access));
  return { app, loops, stop };
}

const description = {
  title: 'Usage tracking: limits',
  description:
    'Customers, features, entitlements, reservations and notifications: what a customer may use, and whom the system notifies when it runs out. ' +
    'The API is OpenMeter’s.',
  tags: [...limitsTags, { name: 'Operations', description: 'Health and metrics.' }],
};
