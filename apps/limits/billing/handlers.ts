import { Problem } from '@usage/lib/http/problem.ts';
import type { billingRoutes } from '@usage/lib/limits/api/billing.ts';

/** OpenMeter's billing is not part of this system: its routes say so instead of 404. */
export function billingHandlers(): Record<keyof typeof billingRoutes, () => Promise<never>> {
  const refuse = async () => {
    throw new Problem(
      'not_implemented',
      'Apps, Stripe and subscriptions of a customer belong to billing, which is not part of this system: see docs/limits.md.',
    );
  };
  return {
    listCustomerAppData: refuse,
    upsertCustomerAppData: refuse,
    deleteCustomerAppData: refuse,
    getCustomerStripeAppData: refuse,
    upsertCustomerStripeAppData: refuse,
    createCustomerStripePortalSession: refuse,
    listCustomerSubscriptions: refuse,
  };
}
