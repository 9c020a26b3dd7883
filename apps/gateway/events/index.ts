import type { Access } from '@usage/lib/auth/access.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { Elysia } from 'elysia';
import type { Ingest } from './append.ts';
import { ingestDetail } from './model.ts';
import { ingestEvents } from './service.ts';

/** POST /api/v1/events: OpenMeter's ingest. */
export function eventRoutes(ingest: Ingest, access: Access) {
  return new Elysia({ name: 'events', normalize: false }).post(
    '/api/v1/events',
    async ({ request, set }) => {
      try {
        const answer = await ingestEvents(ingest, request, access, access.identify(request, 'ingest'));
        if (answer) return answer;
        set.status = 204;
      } catch (error) {
        ingest.metrics.requestsRejected.inc({ reason: error instanceof Problem ? error.code : 'internal' });
        throw error;
      }
    },
    { parse: 'none', detail: ingestDetail },
  );
}
