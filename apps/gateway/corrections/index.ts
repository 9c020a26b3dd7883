import { Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { parameter } from '@usage/lib/http/documentation.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readExactJson } from '@usage/lib/http/jsonBody.ts';
import { requestIdOf } from '@usage/lib/http/operations.ts';
import { readNoParameters, readParameters } from '@usage/lib/http/parameters.ts';
import { Elysia } from 'elysia';
import { CorrectionQuery, correctDetail, listDetail, undoDetail } from './model.ts';
import { correct, corrections, undo } from './service.ts';

export interface CorrectionRoutes {
  sql: Sql;
  access: Access;
}

const bodyBytesMax = 1_048_576;

/** /api/v1/corrections: events that count no more, or otherwise than they came. */
export function correctionRoutes({ sql, access }: CorrectionRoutes) {
  const actorOf = (request: Request) => {
    const { namespace, key } = access.identify(request, 'admin');
    return { namespace, name: key ? `key:${key.id}` : 'operator', requestId: requestIdOf(request) };
  };
  return new Elysia({ name: 'corrections', prefix: '/api/v1/corrections' })
    .post(
      '',
      async ({ request }) => {
        const actor = actorOf(request);
        readNoParameters(request);
        return Response.json(await correct(sql, actor, await readExactJson(request, bodyBytesMax)));
      },
      { parse: 'none', detail: correctDetail },
    )
    .get(
      '',
      async ({ request }) => {
        const { namespace } = access.identify(request, 'read', 'admin');
        return Response.json(await corrections(sql, namespace, readParameters(CorrectionQuery, request)));
      },
      { detail: listDetail },
    )
    .delete(
      '/:id',
      async ({ request, params }) => {
        const actor = actorOf(request);
        readNoParameters(request);
        return Response.json(await undo(sql, actor, pathText(params.id)));
      },
      {
        detail: {
          ...undoDetail,
          parameters: [parameter('path', 'id', Type.String(), 'Of the correction.', '7')],
        },
      },
    );
}
