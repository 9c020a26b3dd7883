import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { pathText, readBodyAs } from '@usage/lib/http/invalid.ts';
import { readExactJson } from '@usage/lib/http/jsonBody.ts';
import { requestIdOf } from '@usage/lib/http/operations.ts';
import { readNoParameters, readParameters } from '@usage/lib/http/parameters.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { Elysia } from 'elysia';
import { close } from './close.ts';
import { Close, closeDetail, createDetail, getDetail, ListQuery, listDetail, revertDetail } from './model.ts';
import { create, get, list, revert } from './service.ts';

export interface BackfillRoutes {
  sql: Sql;
  stream: Pick<EventStream, 'position'>;
  access: Access;
}

const bodyBytesMax = 1_048_576;

/** /api/v1/backfills: events that count as a unit, or not at all. */
export function backfillRoutes({ sql, stream, access }: BackfillRoutes) {
  const changed = (request: Request) => {
    const { namespace, key } = access.identify(request, 'admin');
    readNoParameters(request);
    return { namespace, name: key ? `key:${key.id}` : 'operator', requestId: requestIdOf(request) };
  };
  return new Elysia({ name: 'backfills', prefix: '/api/v1/backfills' })
    .post(
      '',
      async ({ request }) => {
        const actor = changed(request);
        return Response.json(await create(sql, actor, await readExactJson(request, bodyBytesMax)));
      },
      { parse: 'none', detail: createDetail },
    )
    .get(
      '',
      async ({ request }) => {
        const { namespace } = access.identify(request, 'read', 'admin');
        return Response.json(await list(sql, namespace, readParameters(ListQuery, request)));
      },
      { detail: listDetail },
    )
    .get(
      '/:id',
      async ({ request, params }) => {
        const { namespace } = access.identify(request, 'read', 'admin');
        readNoParameters(request);
        return Response.json(await get(sql, namespace, pathText(params.id)));
      },
      { detail: getDetail },
    )
    .post(
      '/:id/close',
      async ({ request, params }) => {
        const actor = changed(request);
        const { dryRun = false } = request.body
          ? readBodyAs('closing', Close, await readExactJson(request, bodyBytesMax))
          : {};
        return Response.json(await close(sql, stream, actor, pathText(params.id), dryRun));
      },
      { parse: 'none', detail: closeDetail },
    )
    .post(
      '/:id/revert',
      async ({ request, params }) => Response.json(await revert(sql, changed(request), pathText(params.id))),
      { parse: 'none', detail: revertDetail },
    );
}
