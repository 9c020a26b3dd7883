import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { MeterQueryParameters } from '@usage/lib/queryApi/meterQuery.ts';
import {
  groupValuesDetail,
  queryDetail,
  queryPostDetail,
  subjectsDetail,
} from '@usage/lib/queryApi/meterQueryDetails.ts';
import { dayUs } from '@usage/lib/windows/units.ts';
import { Elysia } from 'elysia';
import { type QueryRunner, readFrom } from '../runner.ts';
import { presenterOf } from './presenters.ts';
import { type QueryRequest, readQueryBody, readQueryParameters, readRangeParameters } from './request.ts';
import { listGroupValues, listMeterSubjects, queryMeter } from './service.ts';

/** Room for every limit of a query at once. */
export const queryBodyBytesMax = 2 * 1024 * 1024;

/** /api/v1/meters/{meterIdOrSlug}/query, /subjects and /group-by/{key}/values. Errors are thrown as Problem. */
export function usageRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  const answer = async (request: Request, namespace: string, idOrSlug: string, query: QueryRequest) => {
    const present = presenterOf(request.headers.get('accept'));
    const { body, headers } = await queryMeter(
      runner,
      namespace,
      idOrSlug,
      query,
      present,
      readFrom(request),
    );
    return new Response(body, { headers });
  };
  return new Elysia({ name: 'usage', prefix: '/api/v1/meters/:meterIdOrSlug' })
    .get(
      '/query',
      ({ request, params }) => {
        const namespace = namespaceOf(request, 'read');
        const query = readQueryParameters(MeterQueryParameters, request);
        return answer(request, namespace, params.meterIdOrSlug, query);
      },
      { detail: queryDetail },
    )
    .post(
      '/query',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'read');
        const query = readQueryBody(await readJson(request, queryBodyBytesMax));
        return await answer(request, namespace, params.meterIdOrSlug, query);
      },
      { parse: 'none', detail: queryPostDetail },
    )
    .get(
      '/subjects',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'read');
        const range = readRangeParameters(request);
        return Response.json(await listMeterSubjects(runner, namespace, params.meterIdOrSlug, range));
      },
      { detail: subjectsDetail },
    )
    .get(
      '/group-by/:groupByKey/values',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'read');
        const range = readRangeParameters(request);
        if (range.fromUs === undefined && range.toUs === undefined) range.fromUs = Date.now() * 1_000 - dayUs;
        const { meterIdOrSlug, groupByKey } = params;
        return Response.json(await listGroupValues(runner, namespace, meterIdOrSlug, groupByKey, range));
      },
      { detail: groupValuesDetail },
    );
}
