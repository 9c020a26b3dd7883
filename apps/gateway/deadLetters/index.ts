import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { readBody } from '@usage/lib/http/body.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson, requireJson } from '@usage/lib/http/jsonBody.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { Elysia } from 'elysia';
import { DeadLetterQuery, listDetail, redriveDetail, redriveMendedDetail } from './model.ts';
import { listLetters, redrive, redriveMended } from './service.ts';

export interface DeadLetterRoutes {
  sql: Sql;
  stream: EventStream;
  access: Access;
}

const redriveBodyBytesMax = 64 * 1024;
const mendedBodyBytesMax = 8 * 1024 * 1024;

/** /api/v1/dead-letters: what could not be stored, why, and back into the stream. */
export function deadLetterRoutes({ sql, stream, access }: DeadLetterRoutes) {
  return new Elysia({ name: 'dead letters', prefix: '/api/v1/dead-letters' })
    .get(
      '',
      async ({ request }) => {
        const by = access.identify(request, 'admin');
        return Response.json(await listLetters(sql, by, readParameters(DeadLetterQuery, request)));
      },
      { detail: listDetail },
    )
    .post(
      '/redrive',
      async ({ request }) => {
        const by = access.identify(request, 'admin');
        return Response.json(await redrive(sql, stream, by, await readJson(request, redriveBodyBytesMax)));
      },
      { parse: 'none', detail: redriveDetail },
    )
    .post(
      '/:deadLetterId/redrive',
      async ({ request, params }) => {
        const by = access.identify(request, 'admin');
        requireJson(request.headers.get('content-type'));
        const { text } = await readBody(request, mendedBodyBytesMax);
        return Response.json(await redriveMended(sql, stream, by, pathText(params.deadLetterId), text));
      },
      { parse: 'none', detail: redriveMendedDetail },
    );
}
