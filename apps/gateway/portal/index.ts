import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Elysia } from 'elysia';
import { createDetail, invalidateDetail, listDetail, TokenListQuery } from './model.ts';
import { endTokens, makeToken, showTokens } from './service.ts';

const bodyBytesMax = 256 * 1024;

/**
 * /api/v1/portal/tokens: create, list, invalidate. The scope read does: who may read everything may hand out less.
 * Errors are thrown as Problem.
 */
export function portalRoutes({ sql, access }: { sql: Sql; access: Access }) {
  return new Elysia({ name: 'portal', prefix: '/api/v1/portal/tokens' })
    .post(
      '',
      async ({ request }) => {
        const by = access.identify(request, 'read', 'admin');
        const token = await makeToken(sql, by, await readJson(request, bodyBytesMax));
        return Response.json(token, { headers: { 'Cache-Control': 'no-store' } });
      },
      { parse: 'none', detail: createDetail },
    )
    .get(
      '',
      async ({ request }) => {
        const by = access.identify(request, 'read', 'admin');
        return Response.json(await showTokens(sql, by, readParameters(TokenListQuery, request).limit));
      },
      { detail: listDetail },
    )
    .post(
      '/invalidate',
      async ({ request }) => {
        const by = access.identify(request, 'read', 'admin');
        await endTokens(sql, by, await readJson(request, bodyBytesMax));
        return new Response(null, { status: 204 });
      },
      { parse: 'none', detail: invalidateDetail },
    );
}
