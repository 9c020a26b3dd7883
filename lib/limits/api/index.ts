import { accessRoutes } from './access.ts';
import { auditRoutes } from './audit.ts';
import { billingRoutes } from './billing.ts';
import { customerRoutes } from './customers.ts';
import { entitlementRoutes } from './entitlements.ts';
import { featureRoutes } from './features.ts';
import { notificationRoutes } from './notifications.ts';
import { reservationRoutes } from './reservations.ts';

/** Every route of the limits service, by the name of its operation. */
export const limitsRoutes = {
  ...customerRoutes,
  ...featureRoutes,
  ...entitlementRoutes,
  ...accessRoutes,
  ...reservationRoutes,
  ...notificationRoutes,
  ...billingRoutes,
  ...auditRoutes,
};

export type LimitsOperation = keyof typeof limitsRoutes;

export const limitsTags = [
  { name: 'Customers', description: 'Whose usage it is, over many subjects.' },
  { name: 'Features', description: 'What customers may have the use of.' },
  { name: 'Entitlements', description: 'How much of a feature a customer may use, and how much is left.' },
  { name: 'Reservations', description: 'Amounts that are spoken for before they are used.' },
  { name: 'Notifications', description: 'Webhooks when a threshold is reached or a usage period begins.' },
  { name: 'Audit', description: 'Who changed what.' },
];
