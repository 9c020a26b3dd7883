import { Type } from '@sinclair/typebox';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { urlOf } from '@usage/lib/http/url.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';
import { encodePlace, limitMax, readCursorRequest, readListRequest } from './params.ts';
import { listEvents } from './service.ts';

/** GET /api/v1/events and /api/v2/events. Errors are thrown as Problem. */
export function eventListRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'event lists' })
    .get(
      '/api/v1/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const { filters, customerIds, limit } = readListRequest(
          urlOf(request).searchParams,
          Date.now() * 1_000,
        );
        const { items } = await listEvents(runner, namespace, {
          filters,
          customerIds,
          place: undefined,
          limit,
        });
        return json(`[${items.join(',')}]`);
      },
      { detail: listDetail },
    )
    .get(
      '/api/v2/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listing = readCursorRequest(urlOf(request).searchParams);
        const { items, next } = await listEvents(runner, namespace, listing);
        const cursor = next ? `,"nextCursor":"${encodePlace(next)}"` : '';
        return json(`{"items":[${items.join(',')}]${cursor}}`);
      },
      { detail: cursorDetail },
    );
}

function json(body: string): Response {
  return new Response(body, { headers: { 'Content-Type': 'application/json' } });
}

const time = Type.String({ format: 'date-time' });
const Ingested = Type.Object({
  event: Type.Object({
    specversion: Type.Literal('1.0'),
    id: Type.String(),
    source: Type.String(),
    type: Type.String(),
    subject: Type.String(),
    time,
    data: Type.Optional(Type.Object({}, { additionalProperties: true })),
  }),
  ingestedAt: time,
  storedAt: time,
  validationError: Type.Optional(
    Type.String({ description: 'Why it does not count for a meter of its type.' }),
  ),
});
const example = {
  event: {
    specversion: '1.0',
    id: '5c10fade-1c9e-4d6c-8275-c52c36731d3c',
    source: 'my-app',
    type: 'prompt',
    subject: 'customer-1',
    time: '2025-01-01T00:00:00Z',
    data: { tokens: '1432x', model: 'gpt-4o' },
  },
  ingestedAt: '2025-01-01T00:00:01.123Z',
  storedAt: '2025-01-01T00:00:01.2Z',
  validationError: 'invalid event: value cannot be parsed as a number: 1432x',
};

const limit = parameter(
  'query',
  'limit',
  Type.Integer({ minimum: 1, maximum: limitMax, default: limitMax }),
  'Events at most.',
);
const clientId = parameter(
  'query',
  'clientId',
  Type.String({ minLength: 1, maxLength: 36 }),
  'Taken and not used.',
);

export const listDetail = {
  tags: ['Events'],
  operationId: 'listEvents',
  summary: 'List events, newest first',
  description: 'By arrival, then source and id. Data stands as it came.',
  parameters: [
    parameter('query', 'ingestedAtFrom', time, 'Arrival, inclusive.'),
    parameter('query', 'ingestedAtTo', time, 'Arrival, exclusive.'),
    parameter('query', 'from', time, 'Time of the event, inclusive; 72 hours ago where it is left out.'),
    parameter('query', 'to', time, 'Time of the event, exclusive.'),
    parameter('query', 'id', Type.String(), 'Part of the id.'),
    parameter('query', 'subject', Type.String(), 'Part of the subject.'),
    limit,
    clientId,
  ],
  responses: {
    200: jsonResponse('The events.', Type.Array(Ingested), [example]),
    ...problemResponses(400),
  },
};

export const cursorDetail = {
  tags: ['Events'],
  operationId: 'listEventsV2',
  summary: 'List events, page by page',
  description: 'The same order as v1. A page goes on after the cursor, whatever was stored since.',
  parameters: [
    parameter('query', 'cursor', Type.String(), '`nextCursor` of the page before.'),
    limit,
    clientId,
    parameter(
      'query',
      'filter',
      Type.String(),
      'JSON with filters on id, source, subject, type, time and ingestedAt.',
      '{"subject": {"$eq": "customer-1"}, "time": {"$gte": "2025-01-01T00:00:00Z"}}',
    ),
  ],
  responses: {
    200: jsonResponse(
      'A page. `nextCursor` is there when it is full.',
      Type.Object({ items: Type.Array(Ingested), nextCursor: Type.Optional(Type.String()) }),
      { items: [example], nextCursor: 'WzE3MzU2ODk2MDExMjMwMDAsIm15LWFwcCIsIjEiXQ' },
    ),
    ...problemResponses(400),
  },
};
