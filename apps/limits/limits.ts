import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import { limitsTags } from '@usage/lib/limits/api/index.ts';
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
import type { EntitlementParts } from './entitlements/valueAnswer.ts';
import { featureHandlers } from './features/handlers.ts';
import { apiRoutes } from './http/routes.ts';
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
    ...ownedHandlers(parts),
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

/** OpenMeter has the same operations twice, under other names. */
function ownedHandlers(parts: EntitlementParts) {
  const v1 = ownedEntitlementHandlers(parts, 'v1');
  const v2 = ownedEntitlementHandlers(parts, 'v2');
  return {
    createEntitlement: v1.create,
    listSubjectEntitlements: v1.list,
    getSubjectEntitlement: v1.get,
    deleteEntitlement: v1.delete,
    overrideEntitlement: v1.override,
    getEntitlementValue: v1.value,
    getEntitlementHistory: v1.history,
    resetEntitlementUsage: v1.reset,
    createGrant: v1.createGrant,
    listEntitlementGrants: v1.listGrants,
    createCustomerEntitlementV2: v2.create,
    listCustomerEntitlementsV2: v2.list,
    getCustomerEntitlementV2: v2.get,
    deleteCustomerEntitlementV2: v2.delete,
    overrideCustomerEntitlementV2: v2.override,
    getCustomerEntitlementValueV2: v2.value,
    getCustomerEntitlementHistoryV2: v2.history,
    resetCustomerEntitlementUsageV2: v2.reset,
    createCustomerEntitlementGrantV2: v2.createGrant,
    listCustomerEntitlementGrantsV2: v2.listGrants,
  };
}

const description = {
  title: 'Usage tracking: limits',
  description:
    'Customers, features, entitlements, reservations and notifications: what a customer may use, and whom the system notifies when it runs out. ' +
    'The API is OpenMeter’s.',
  tags: [...limitsTags, { name: 'Operations', description: 'Health and metrics.' }],
};
