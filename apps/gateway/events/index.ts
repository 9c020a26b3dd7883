import { Problem } from '@usage/lib/http/problem.ts';
import { Elysia } from 'elysia';
import type { NamespaceOf } from '../namespace.ts';
import { ingestDetail } from './model.ts';
import { type Ingest, ingestEvents } from './service.ts';

/** POST /api/v1/events: OpenMeter's ingest. */
export function eventRoutes(ingest: Ingest, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'events', normalize: false }).post(
    '/api/v1/events',
    async ({ request, set }) => {
      try {
        await ingestEvents(ingest, request, namespaceOf(request, 'ingest'));
      } catch (error) {
        ingest.metrics.requestsRejected.inc({ reason: error instanceof Problem ? error.code : 'internal' });
        throw error;
      }
      set.status = 204;
    },
    { parse: 'none', detail: ingestDetail },
  );
}
