import type { billingRoutes } from '@usage/lib/limits/api/billing.ts';
import { notPartOfThis } from './notPartOfThis.ts';

/** OpenMeter's billing is not part of this system: its routes say so instead of 404. */
export function billingHandlers(): Record<keyof typeof billingRoutes, () => Promise<never>> {
  const refuse = async () => {
    throw notPartOfThis('Apps, Stripe and subscriptions of a customer');
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
