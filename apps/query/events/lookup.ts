import { Type } from '@sinclair/typebox';
import { keptSinceUs, storedIds } from '@usage/db/events/storedIds.ts';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { formatTimeUs, parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { jsonRequest, jsonResponse, problemResponses } from '@usage/lib/http/documentation.ts';
import { type Fault, invalid } from '@usage/lib/http/faults.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';

/** So many ids fit into a body of two million bytes where they are as long as a hash. */
export const lookupIdsMax = 20_000;
const lookupBytesMax = 2_000_000;
const idCharsMax = 1_024;

interface LookupRequest {
  ids: string[];
  times: { fromUs: number; toUs: number } | undefined;
}

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

/** Throws a Problem that names every fault. */
function readLookup(body: unknown): LookupRequest {
  const faults: Fault[] = [];
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('body', [{ field: '', reason: 'must be a JSON object' }]);
  const { ids, from, to, ...others } = body as Record<string, unknown>;
  for (const name of Object.keys(others))
    faults.push({ field: name.slice(0, 64), reason: 'is not known: there are ids, from and to' });
  const areIds = Array.isArray(ids) && ids.length > 0 && ids.length <= lookupIdsMax && ids.every(isId);
  if (!areIds) {
    const reason = `must be 1 to ${lookupIdsMax} texts of 1 to ${idCharsMax} characters`;
    faults.push({ field: 'ids', reason });
  }
  const fromUs = readTime(from, 'from', faults);
  const toUs = readTime(to, 'to', faults);
  if ((fromUs === undefined) !== (toUs === undefined))
    faults.push({
      field: fromUs === undefined ? 'from' : 'to',
      reason: 'is missing: from and to come together',
    });
  if (faults.length > 0) throw invalid('body', faults);
  const times = fromUs === undefined || toUs === undefined ? undefined : { fromUs, toUs };
  return { ids: ids as string[], times };
}

function isId(id: unknown): boolean {
  return (
    typeof id === 'string' && id !== '' && id.length <= idCharsMax && id.isWellFormed() && !id.includes('\0')
  );
}

function readTime(value: unknown, field: string, faults: Fault[]): number | undefined {
  if (value === undefined) return undefined;
  const reason = typeof value === 'string' ? timeFault(value) : 'must be a text';
  if (reason !== undefined) faults.push({ field, reason });
  return typeof value === 'string' ? parseTimeUs(value) : undefined;
}

const time = Type.String({ format: 'date-time' });

export const lookupDetail = {
  tags: ['Events'],
  operationId: 'lookUpEvents',
  summary: 'Which of these ids are stored',
  description:
    'For who sends events again after a longer time than duplicates are recognised for. Events that were accepted and ' +
    'are not yet stored are not among them: sent again, they count once. `from` (inclusive) and `to` (exclusive) bound the ' +
    'time of the events, where it is known, and make the search quick. Needs the scope ingest or read.',
  requestBody: jsonRequest(
    Type.Object({
      ids: Type.Array(Type.String({ minLength: 1, maxLength: idCharsMax }), {
        minItems: 1,
        maxItems: lookupIdsMax,
      }),
      from: Type.Optional(time),
      to: Type.Optional(time),
    }),
    { ids: ['req-1', 'req-2'] },
  ),
  responses: {
    200: jsonResponse(
      'Those that are stored, with the source of each. `keptSince`: events that arrived before are no longer kept, so ' +
        'that their ids are not known any more.',
      Type.Object({
        stored: Type.Array(Type.Object({ id: Type.String(), source: Type.String() })),
        keptSince: Type.Optional(time),
      }),
      { stored: [{ id: 'req-1', source: 'chat-service' }] },
    ),
    ...problemResponses(400, 413, 415),
  },
};
