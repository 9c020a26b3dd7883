import type { Access } from '@usage/lib/auth/access.ts';
import { limitsRoutes } from '@usage/lib/limits/api/index.ts';
import type { ApiRoute } from '@usage/lib/limits/api/route.ts';
import { Elysia } from 'elysia';
import { passOn } from './queryProxy.ts';

export interface LimitsProxyOptions {
  /** Where the limits service listens. */
  limitsUrl: string;
  /** From the request to the last byte of the answer. */
  readMsMax: number;
}

/** Passes requests on to the limits service as queryRoutes does to the query service. */
export function limitsProxyRoutes({ limitsUrl, readMsMax }: LimitsProxyOptions, access: Access) {
  const service = { name: 'limits service', origin: limitsUrl.replace(/\/+$/, ''), msMax: readMsMax };
  const app = new Elysia({ name: 'limits proxy', normalize: false }).decorate('requestId', '');
  for (const [operation, { method, path, scopes, detail }] of Object.entries<ApiRoute>(limitsRoutes)) {
    app.route(
      method,
      path,
      ({ request, requestId }) => {
        access.recognise(request, ...scopes);
        return passOn(service, request, requestId);
      },
      { parse: 'none', detail: { ...detail, operationId: operation } },
    );
  }
  return app;
}
