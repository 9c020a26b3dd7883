import { type Static, Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access, NamespaceOf } from '@usage/lib/auth/access.ts';
import { parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { pathText } from '@usage/lib/http/faults.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { describedParameters, readParameters } from '@usage/lib/http/parameters.ts';
import { closedObject, wholeNumber } from '@usage/lib/validation/schema.ts';
import { Elysia } from 'elysia';
import type { Ingest } from '../events/append.ts';
import { ingestDetail } from '../events/model.ts';
import { ingestEvents } from '../events/service.ts';
import { meterBodyBytesMax } from '../meters/index.ts';
import { createMeter, deleteMeter, getMeter, listMeters, updateMeter } from '../meters/service.ts';
import { fromV3, toV3 } from './meter.ts';

export interface V3Parts {
  sql: Sql;
  namespaceOf: NamespaceOf;
  access: Access;
  ingest: Ingest;
}

const pageSizeMax = 1_000;
const pageSize = 100;

/** /api/v3/openmeter: OpenMeter's v3 words around the same services. */
export function v3Routes({ sql, namespaceOf, access, ingest }: V3Parts) {
  return new Elysia({ name: 'v3', prefix: '/api/v3/openmeter' })
    .post(
      '/events',
      async ({ request }) => {
        const answer = await ingestEvents(ingest, request, access, access.identify(request, 'ingest'));
        return answer ?? new Response(null, { status: 202 });
      },
      { parse: 'none', detail: v3IngestDetail },
    )
    .post(
      '/meters',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = fromV3(await readJson(request, meterBodyBytesMax));
        return Response.json(toV3(await createMeter(sql, namespace, body)), { status: 201 });
      },
      { parse: 'none', detail: described('v3CreateMeter', 'Create a meter (v3)', 'body', 201) },
    )
    .get(
      '/meters',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read', 'admin');
        return Response.json(await page(sql, namespace, readParameters(V3MeterListQuery, request)));
      },
      { detail: described('v3ListMeters', 'List meters (v3)', 'page') },
    )
    .get(
      '/meters/:meterId',
      async ({ request, params }) =>
        Response.json(
          toV3(await getMeter(sql, namespaceOf(request, 'read', 'admin'), pathText(params.meterId))),
        ),
      { detail: described('v3GetMeter', 'Get a meter (v3)', 'id') },
    )
    .put(
      '/meters/:meterId',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = fromV3(await readJson(request, meterBodyBytesMax));
        return Response.json(toV3(await updateMeter(sql, namespace, pathText(params.meterId), body)));
      },
      {
        parse: 'none',
        detail: described('v3UpdateMeter', 'Replace a meter’s changeable fields (v3)', 'idAndBody'),
      },
    )
    .delete(
      '/meters/:meterId',
      async ({ request, params }) => {
        await deleteMeter(sql, namespaceOf(request, 'admin'), pathText(params.meterId));
        return new Response(null, { status: 204 });
      },
      { parse: 'none', detail: described('v3DeleteMeter', 'Delete a meter (v3)', 'id', 204) },
    );
}

/** By key; v3 pages with page[number] and page[size]. */
async function page(sql: Sql, namespace: string, { page = {} }: Static<typeof V3MeterListQuery>) {
  const { number = 1, size = pageSize } = page;
  // A namespace holds at most as many meters as v1 has on one page.
  const all = await listMeters(sql, namespace);
  const data = all.slice((number - 1) * size, number * size).map(toV3);
  return { data, meta: { page: { number, size, total: all.length } } };
}

const V3MeterListQuery = closedObject({
  page: Type.Optional(
    closedObject(
      {
        number: Type.Optional(wholeNumber({ minimum: 1, maximum: 1_000_000 })),
        size: Type.Optional(wholeNumber({ minimum: 1, maximum: pageSizeMax })),
      },
      { description: 'page[number] and page[size].' },
    ),
  ),
});

const tags = ['OpenMeter v3'];
const meterId = parameter('path', 'meterId', Type.String(), 'Id or key.', 'tokens_total');
const meterBody = {
  required: true,
  content: {
    'application/json': {
      schema: {
        type: 'object' as const,
        properties: Object.fromEntries(
          ['key', 'name', 'description', 'aggregation', 'event_type', 'events_from', 'value_property'].map(
            (name) => [name, { type: 'string' as const }],
          ),
        ),
      },
      example: {
        key: 'tokens',
        name: 'Tokens',
        aggregation: 'sum',
        event_type: 'prompt',
        value_property: '$.tokens',
      },
    },
  },
};

function described(
  operationId: string,
  summary: string,
  takes: 'body' | 'id' | 'idAndBody' | 'page',
  success = 200,
) {
  return {
    tags,
    operationId,
    summary,
    parameters: takes === 'page' ? describedParameters(V3MeterListQuery) : takes === 'body' ? [] : [meterId],
    ...(takes === 'body' || takes === 'idAndBody' ? { requestBody: meterBody } : {}),
    responses: {
      [success]: { description: 'As OpenMeter’s v3 answers.' },
      ...problemResponses(400, 404, 409, 413, 415),
    },
  };
}

const v3IngestDetail = {
  ...ingestDetail,
  tags,
  operationId: 'v3IngestEvents',
  summary: 'Ingest events (v3)',
  responses: { ...ingestDetail.responses, 202: { description: 'Every event is kept.' } },
};
