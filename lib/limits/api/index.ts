import { auditRoutes } from './audit.ts';
import { billingRoutes } from './billing.ts';
import { customerRoutes } from './customers.ts';

/** Every route of the limits service, by the name of its operation. */
export const limitsRoutes = { ...customerRoutes, ...billingRoutes, ...auditRoutes };

export type LimitsOperation = keyof typeof limitsRoutes;

export const limitsTags = [
  { name: 'Customers', description: 'Whose usage it is, over many subjects.' },
  { name: 'Audit', description: 'Who changed what.' },
];
