import type { Access, Identity } from '@usage/lib/auth/access.ts';
import { scopes } from '@usage/lib/auth/key.ts';
import { sessionCookie } from '@usage/lib/auth/sessions.ts';
import { readBodyAs } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { Elysia } from 'elysia';
import { beginDetail, endDetail, type Session, SessionBegin, showDetail } from './model.ts';

const bodyBytesMax = 4 * 1024;

/** /api/v1/session: who asks; signing a browser in with a key, and out. Errors are thrown as Problem. */
export function sessionRoutes(access: Access) {
  const { sessions } = access;
  return new Elysia({ name: 'session', prefix: '/api/v1/session' })
    .get('', ({ request }) => answer(access, access.identify(request, ...scopes)), { detail: showDetail })
    .post(
      '',
      async ({ request }) => {
        const apiKey = readBodyAs('session', SessionBegin, await readJson(request, bodyBytesMax)).key.trim();
        const { headers } = request;
        // As if the key had come as a header: one place decides whether it is good.
        headers.set('authorization', `Bearer ${apiKey}`);
        const response = answer(access, access.identify(request, ...scopes));
        if (sessions) response.headers.set('Set-Cookie', sessions.begin(request, apiKey));
        return response;
      },
      { parse: 'none', detail: beginDetail },
    )
    .delete(
      '',
      ({ request }) => {
        const hasSession = request.headers.get('cookie')?.includes(sessionCookie);
        const headers = sessions && hasSession && { 'Set-Cookie': sessions.end(request) };
        return new Response(null, { status: 204, ...(headers && { headers }) });
      },
      { parse: 'none', detail: endDetail },
    );
}

function answer({ sessions }: Access, { namespace, scopes, isOperator, key }: Identity): Response {
  const session: Session = {
    auth: sessions ? 'keys' : 'off',
    namespace,
    scopes: [...scopes],
    isOperator,
    ...(key && { key: { id: key.id, name: key.name, prefix: key.prefix, ...ratesOf(key.limits) } }),
  };
  return Response.json(session, { headers: { 'Cache-Control': 'no-store' } });
}

function ratesOf({ eventsPerSecond, requestsPerSecond }: NonNullable<Identity['key']>['limits']) {
  return {
    ...(eventsPerSecond !== undefined && { eventsPerSecond }),
    ...(requestsPerSecond !== undefined && { requestsPerSecond }),
  };
}
