import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { cursorDetail, listDetail } from '@usage/lib/queryApi/eventLists.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';
import { encodePlace, readCursorRequest, readListRequest } from './request.ts';
import { listEvents } from './service.ts';

/** GET /api/v1/events and /api/v2/events. Errors are thrown as Problem. */
export function eventListRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'event lists' })
    .get(
      '/api/v1/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listing = readListRequest(request, Date.now() * 1_000);
        const { items } = await listEvents(runner, namespace, listing);
        return json(`[${items.join(',')}]`);
      },
      { detail: listDetail },
    )
    .get(
      '/api/v2/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listing = readCursorRequest(request);
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
