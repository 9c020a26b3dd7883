import type { Access } from '@usage/lib/auth/access.ts';
import { type LimitsOperation, limitsRoutes } from '@usage/lib/limits/api/index.ts';
import type { ApiRoute } from '@usage/lib/limits/api/route.ts';
import { Elysia } from 'elysia';
import { type Ask, askOf } from './ask.ts';
import { databaseProblem } from './fromDatabase.ts';

/** Answers a Response, or what becomes JSON; undefined = 204. */
export type Handler = (ask: Ask) => Promise<Response | object | undefined>;

/** Every operation of the API has its handler: the compiler names those that miss. */
export type Handlers = Record<LimitsOperation, Handler>;

export function apiRoutes(handlers: Handlers, access: Access) {
  const app = new Elysia({ name: 'limits', normalize: false }).decorate('requestId', '');
  for (const [operation, described] of Object.entries(limitsRoutes) as [LimitsOperation, ApiRoute][]) {
    const { method, path, scopes, status, detail } = described;
    app.route(
      method,
      path,
      async ({ request, params, requestId }) => {
        const identity = access.identify(request, ...scopes);
        try {
          const answer = await handlers[operation](
            askOf(request, params as Record<string, string | null> | undefined, identity, requestId),
          );
          if (answer instanceof Response) return answer;
          return answer === undefined
            ? new Response(null, { status: 204 })
            : Response.json(answer, { status });
        } catch (error) {
          throw databaseProblem(error);
        }
      },
      { parse: 'none', detail: { ...detail, operationId: operation } },
    );
  }
  return app;
}
