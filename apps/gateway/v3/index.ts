import type { Static } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access, NamespaceOf } from '@usage/lib/auth/access.ts';
import { passes } from '@usage/lib/filter/textFilter.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { readSort, readV3TextFilter } from '@usage/lib/queryApi/v3Filters.ts';
import { Elysia } from 'elysia';
import type { Ingest } from '../events/append.ts';
import { ingestEvents } from '../events/service.ts';
import { meterBodyBytesMax } from '../meters/index.ts';
import { createMeter, deleteMeter, getMeter, listMeters, updateMeter } from '../meters/service.ts';
import { fromV3, toV3, v3Name } from './meter.ts';
import {
  described,
  pageSize,
  V3MeterCreate,
  V3MeterListQuery,
  V3MeterUpdate,
  v3IngestDetail,
} from './model.ts';

export interface V3Parts {
  sql: Sql;
  namespaceOf: NamespaceOf;
  access: Access;
  ingest: Ingest;
}

/** /api/v3/openmeter: OpenMeter's v3 words around the same services. */
export function v3Routes({ sql, namespaceOf, access, ingest }: V3Parts) {
  return new Elysia({ name: 'v3', prefix: '/api/v3/openmeter' })
    .post(
      '/events',
      async ({ request }) => {
        const identity = access.identify(request, 'ingest');
        const answer = await ingestEvents(ingest, request, access, identity, { versionOptional: true });
        return answer ?? new Response(null, { status: 202 });
      },
      { parse: 'none', detail: v3IngestDetail },
    )
    .post(
      '/meters',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = fromV3(V3MeterCreate, await readJson(request, meterBodyBytesMax));
        return Response.json(toV3(await createMeter(sql, namespace, body, v3Name)), { status: 201 });
      },
      { parse: 'none', detail: described('v3CreateMeter', 'Create a meter (v3)', 'create', 201) },
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
        const body = fromV3(V3MeterUpdate, await readJson(request, meterBodyBytesMax));
        const meter = await updateMeter(sql, namespace, pathText(params.meterId), body, v3Name);
        return Response.json(toV3(meter));
      },
      {
        parse: 'none',
        detail: described('v3UpdateMeter', 'Replace a meter’s changeable fields (v3)', 'update'),
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

/** By key where nothing else is asked for; v3 pages with page[number] and page[size]. */
async function page(sql: Sql, namespace: string, query: Static<typeof V3MeterListQuery>) {
  const { number = 1, size = pageSize } = query.page ?? {};
  // A namespace holds at most as many meters as v1 has on one page.
  const all = (await listMeters(sql, namespace, listingOf(query.sort))).filter(meterFilter(query.filter));
  const data = all.slice((number - 1) * size, number * size).map(toV3);
  return { data, meta: { page: { number, size, total: all.length } } };
}

const orders = {
  key: 'key',
  name: 'name',
  aggregation: 'aggregation',
  created_at: 'createdAt',
  updated_at: 'updatedAt',
} as const;

function listingOf(sort = 'key') {
  const { by, ascending } = readSort<keyof typeof orders>(sort, true);
  return { orderBy: orders[by], order: ascending ? 'ASC' : 'DESC' } as const;
}

function meterFilter({ key, name }: NonNullable<Static<typeof V3MeterListQuery>['filter']> = {}) {
  const ofKey = key === undefined ? undefined : readV3TextFilter(key);
  const ofName = name === undefined ? undefined : readV3TextFilter(name);
  return (meter: { slug: string; name?: string }) =>
    (!ofKey || passes(ofKey, meter.slug)) && (!ofName || passes(ofName, meter.name ?? meter.slug));
}
