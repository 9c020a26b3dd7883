import type { ApiRoute } from './route.ts';
import { readers, writers } from './route.ts';

/** Parts of OpenMeter's customers that belong to billing: answered with 501 and a link, so that a client knows why. */
const hidden = (line: `${ApiRoute['method']} /${string}`): ApiRoute => {
  const [method, path] = line.split(' ') as [ApiRoute['method'], string];
  return { method, path, scopes: method === 'GET' ? readers : writers, status: 200, detail: { hide: true } };
};

export const billingRoutes = {
  listCustomerAppData: hidden('GET /api/v1/customers/:customerIdOrKey/apps'),
  upsertCustomerAppData: hidden('PUT /api/v1/customers/:customerIdOrKey/apps'),
  deleteCustomerAppData: hidden('DELETE /api/v1/customers/:customerIdOrKey/apps/:appId'),
  getCustomerStripeAppData: hidden('GET /api/v1/customers/:customerIdOrKey/stripe'),
  upsertCustomerStripeAppData: hidden('PUT /api/v1/customers/:customerIdOrKey/stripe'),
  createCustomerStripePortalSession: hidden('POST /api/v1/customers/:customerIdOrKey/stripe/portal'),
  listCustomerSubscriptions: hidden('GET /api/v1/customers/:customerIdOrKey/subscriptions'),
};
