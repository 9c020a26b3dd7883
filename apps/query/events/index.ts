import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { cursorDetail, listDetail, v3EventListDetail } from '@usage/lib/queryApi/eventLists.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';
import { ingestedEvent, v3IngestedEvent } from './json.ts';
import {
  encodePlace,
  type ListRequest,
  readCursorRequest,
  readListRequest,
  readV3ListRequest,
} from './request.ts';
import { type Listed, listEvents, placeOf } from './service.ts';

/** GET /api/v1/events, /api/v2/events and /api/v3/openmeter/events. Errors are thrown as Problem. */
export function eventListRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'event lists' })
    .get(
      '/api/v1/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listed = await listEvents(runner, namespace, readListRequest(request, Date.now() * 1_000));
        return json(`[${listed.map(ingestedEvent).join(',')}]`);
      },
      { detail: listDetail },
    )
    .get(
      '/api/v2/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listing = readCursorRequest(request);
        const listed = await listEvents(runner, namespace, listing);
        const next = cursorAfter(listed, listing);
        const cursor = next === undefined ? '' : `,"nextCursor":"${next}"`;
        return json(`{"items":[${listed.map(ingestedEvent).join(',')}]${cursor}}`);
      },
      { detail: cursorDetail },
    )
    .get(
      '/api/v3/openmeter/events',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read');
        const listing = readV3ListRequest(request);
        const listed = await listEvents(runner, namespace, listing);
        const page = {
          ...(listed.length > 0 && {
            first: cursorOf(listed[0]!, listing),
            last: cursorOf(listed.at(-1)!, listing),
          }),
          next: cursorAfter(listed, listing) ?? null,
          previous: null,
          size: listing.limit,
        };
        return json(`{"data":[${listed.map(v3IngestedEvent).join(',')}],"meta":${JSON.stringify({ page })}}`);
      },
      { detail: v3EventListDetail },
    );
}

function cursorOf(listed: Listed, { order }: ListRequest): string {
  return encodePlace(placeOf(listed), order);
}

/** Where the next page goes on; undefined where this one isn't full. */
function cursorAfter(listed: readonly Listed[], listing: ListRequest): string | undefined {
  const last = listed.length === listing.limit ? listed.at(-1) : undefined;
  return last && cursorOf(last, listing);
}

function json(body: string): Response {
  return new Response(body, { headers: { 'Content-Type': 'application/json' } });
}
