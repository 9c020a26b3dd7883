import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import { limitsTags } from '@usage/lib/limits/api/index.ts';
import type { Health } from '@usage/lib/service/health.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { Registry } from 'prom-client';
import { auditHandlers } from './audit/handlers.ts';
import { billingHandlers } from './billing/handlers.ts';
import { customerHandlers } from './customers/handlers.ts';
import { apiRoutes } from './http/routes.ts';

export interface LimitsParts {
  sql: Sql;
  access: Access;
  health: Health;
  registry: Registry;
  log: Logger;
}

const bodyBytesMax = 2 * 1024 * 1024;

/** The limits service without its connections. */
export function createLimits({ sql, access, health, registry, log }: LimitsParts) {
  const handlers = { ...customerHandlers(sql), ...billingHandlers(), ...auditHandlers(sql) };
  return createServer({ log, health, registry, bodyBytesMax, headersFor: access.headersFor })
    .use(apiDescription(description))
    .use(apiRoutes(handlers, access));
}

const description = {
  title: 'Usage tracking: limits',
  description:
    'Customers, features, entitlements, reservations and notifications: what may be used, and who is told when it runs out. ' +
    'The API is OpenMeter’s.',
  tags: [...limitsTags, { name: 'Operations', description: 'Health and metrics.' }],
};
