import { Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { urlOf } from '@usage/lib/http/url.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { Elysia } from 'elysia';
import { deadLettersPageMax, listLetters, redrive, redriveMax } from './service.ts';

export interface DeadLetterRoutes {
  sql: Sql;
  stream: EventStream;
  access: Access;
}

const redriveBodyBytesMax = 64 * 1024;

/** /api/v1/dead-letters: what could not be stored, why, and back into the stream. */
export function deadLetterRoutes({ sql, stream, access }: DeadLetterRoutes) {
  return new Elysia({ name: 'dead letters', prefix: '/api/v1/dead-letters' })
    .get(
      '',
      async ({ request }) =>
        Response.json(await listLetters(sql, access.identify(request, 'admin'), urlOf(request).searchParams)),
      { detail: listDetail },
    )
    .post(
      '/redrive',
      async ({ request }) => {
        const by = access.identify(request, 'admin');
        return Response.json(await redrive(sql, stream, by, await readJson(request, redriveBodyBytesMax)));
      },
      { parse: 'none', detail: redriveDetail },
    );
}

const tags = ['Dead letters'];

const letter = Type.Object({
  id: Type.String(),
  kind: Type.Union([Type.Literal('frame'), Type.Literal('event')]),
  reason: Type.String(),
  event: Type.Optional(Type.Unknown()),
  frame: Type.Optional(Type.String({ description: 'base64' })),
  createdAt: Type.String({ format: 'date-time' }),
  redrivenAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});

const listDetail = {
  tags,
  operationId: 'listDeadLetters',
  summary: 'List dead letters',
  description:
    'Events that could not be stored, with the reason, the newest first. Frames that could not be read hold anybody’s ' +
    'events: ADMIN_API_KEY alone sees them.',
  parameters: [
    parameter('query', 'limit', Type.Integer({ minimum: 1, maximum: deadLettersPageMax }), 'How many.', 20),
    parameter('query', 'before', Type.String(), 'Id of the last one of the page before.', '42'),
  ],
  responses: {
    200: jsonResponse('A page of dead letters.', Type.Object({ items: Type.Array(letter) }), {
      items: [
        {
          id: '42',
          kind: 'event',
          reason: 'the event lacks id, source, type, subject or a valid time',
          event: { id: '1' },
          createdAt: '2026-11-22T10:00:00.000Z',
          redrivenAt: null,
        },
      ],
    }),
    ...problemResponses(400),
  },
};

const redriveDetail = {
  tags,
  operationId: 'redriveDeadLetters',
  summary: 'Drive dead letters again',
  description: 'Puts them back into the stream. What was stored meanwhile counts as a duplicate.',
  requestBody: jsonRequest(
    Type.Object({ ids: Type.Array(Type.String(), { minItems: 1, maxItems: redriveMax }) }),
    {
      ids: ['42'],
    },
  ),
  responses: {
    200: jsonResponse('How many were put back.', Type.Object({ redriven: Type.Integer() }), { redriven: 1 }),
    ...problemResponses(400, 413, 415),
  },
};
