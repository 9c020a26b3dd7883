import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { NamespaceQuery } from '@usage/lib/auth/keyDefinition.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Elysia } from 'elysia';
import { createDetail, listDetail, revokeDetail } from './model.ts';
import { endKey, type KeysChanged, makeKey, showKeys } from './service.ts';

export interface KeyRoutes {
  sql: Sql;
  access: Access;
  keysChanged: KeysChanged;
}

const bodyBytesMax = 64 * 1024;

/** /api/v1/keys: create, list, revoke. Errors are thrown as Problem. */
export function keyRoutes({ sql, access, keysChanged }: KeyRoutes) {
  return new Elysia({ name: 'keys', prefix: '/api/v1/keys' })
    .post(
      '',
      async ({ request }) => {
        const by = access.identify(request, 'admin');
        const key = await makeKey(sql, by, await readJson(request, bodyBytesMax));
        await keysChanged();
        return Response.json(key, { status: 201, headers: notKept });
      },
      { parse: 'none', detail: createDetail },
    )
    .get(
      '',
      async ({ request }) =>
        Response.json(
          await showKeys(sql, access.identify(request, 'admin'), readParameters(NamespaceQuery, request)),
        ),
      { detail: listDetail },
    )
    .delete(
      '/:keyIdOrPrefix',
      async ({ request, params }) => {
        const by = access.identify(request, 'admin');
        await endKey(sql, by, readParameters(NamespaceQuery, request), pathText(params.keyIdOrPrefix));
        await keysChanged();
        return new Response(null, { status: 204 });
      },
      { parse: 'none', detail: revokeDetail },
    );
}

/** The answer holds a secret. */
const notKept = { 'Cache-Control': 'no-store' };
