import { keptSinceUs, storedIds } from '@usage/db/events/storedIds.ts';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { EventLookup, lookupDetail } from '@usage/lib/queryApi/eventLookup.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';

const lookupBytesMax = 2_000_000;

/** POST /api/v1/events/lookup: which ids are stored already; for whoever may send events, or read them. */
export function eventLookupRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'event look-up' }).post(
    '/api/v1/events/lookup',
    async ({ request }) => {
      const namespace = namespaceOf(request, 'ingest', 'read');
      const { ids, times } = readLookup(await readJson(request, lookupBytesMax));
      return await runner.read('events', namespace, async (tx) => {
        const stored = await storedIds(tx, namespace, ids, times);
        const since = await keptSinceUs(tx);
        return Response.json({ stored, ...(since !== undefined && { keptSince: formatTimeUs(since) }) });
      });
    },
    { parse: 'none', detail: lookupDetail },
  );
}

/** Throws a Problem that names every issue. */
function readLookup(body: unknown) {
  const { ids, from, to } = readBodyAs('body', EventLookup, body);
  if ((from === undefined) !== (to === undefined)) {
    const field = from === undefined ? 'from' : 'to';
    throw invalid('body', [{ field, reason: 'is missing: from and to come together' }]);
  }
  const times =
    from === undefined || to === undefined
      ? undefined
      : { fromUs: parseTimeUs(from)!, toUs: parseTimeUs(to)! };
  return { ids, times };
}
