import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { type Fault, invalid } from '@usage/lib/http/faults.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { urlOf } from '@usage/lib/http/url.ts';
import { dayUs } from '@usage/lib/windows/units.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';
import { groupValuesDetail, queryDetail, queryPostDetail, subjectsDetail } from './model.ts';
import { queryToBody, readQueryRequest, timeOf } from './params.ts';
import { listGroupValues, listMeterSubjects, queryMeter } from './service.ts';

/** Room for every limit of a query at once. */
const bodyBytesMax = 2 * 1024 * 1024;

/** /api/v1/meters/{meterIdOrSlug}/query, /subjects and /group-by/{key}/values. Errors are thrown as Problem. */
export function usageRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  const answer = async (request: Request, idOrSlug: string, readBody: () => unknown) => {
    const namespace = namespaceOf(request, 'read');
    const format = formatOf(request.headers.get('accept'));
    const answered = await queryMeter(
      runner,
      namespace,
      idOrSlug,
      readQueryRequest(await readBody()),
      format,
    );
    return new Response(answered.body, { headers: answered.headers });
  };
  return new Elysia({ name: 'usage', prefix: '/api/v1/meters/:meterIdOrSlug' })
    .get(
      '/query',
      ({ request, params }) =>
        answer(request, params.meterIdOrSlug, () => queryToBody(parametersOf(request))),
      {
        detail: queryDetail,
      },
    )
    .post(
      '/query',
      ({ request, params }) => answer(request, params.meterIdOrSlug, () => readJson(request, bodyBytesMax)),
      { parse: 'none', detail: queryPostDetail },
    )
    .get(
      '/subjects',
      async ({ request, params }) =>
        Response.json(
          await listMeterSubjects(
            runner,
            namespaceOf(request, 'read'),
            params.meterIdOrSlug,
            rangeOf(request),
          ),
        ),
      { detail: subjectsDetail },
    )
    .get(
      '/group-by/:groupByKey/values',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'read');
        const range = rangeOf(request);
        if (range.fromUs === undefined && range.toUs === undefined) range.fromUs = Date.now() * 1_000 - dayUs;
        const { meterIdOrSlug, groupByKey } = params;
        return Response.json(await listGroupValues(runner, namespace, meterIdOrSlug, groupByKey, range));
      },
      { detail: groupValuesDetail },
    );
}

function rangeOf(request: Request): { fromUs: number | undefined; toUs: number | undefined } {
  const query = parametersOf(request);
  const faults: Fault[] = [];
  const fromUs = timeOf(query.get('from') ?? undefined, 'from', faults);
  const toUs = timeOf(query.get('to') ?? undefined, 'to', faults);
  if (fromUs !== undefined && toUs !== undefined && fromUs >= toUs) {
    faults.push({
      field: '',
      reason: fromUs === toUs ? 'from and to cannot be equal' : 'from must be before to',
    });
  }
  if (faults.length > 0) throw invalid('query', faults);
  return { fromUs, toUs };
}

function parametersOf(request: Request): URLSearchParams {
  return urlOf(request).searchParams;
}

/** CSV where it is asked for at least as much as JSON. */
export function formatOf(accept: string | null): 'json' | 'csv' {
  const quality = { json: -1, csv: -1 };
  for (const part of (accept ?? '*/*').split(',')) {
    const [type = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const q = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    if (type === 'text/csv' || type === 'text/*') quality.csv = Math.max(quality.csv, q);
    if (type === 'application/json' || type === 'application/*') quality.json = Math.max(quality.json, q);
  }
  return quality.csv > 0 && quality.csv >= quality.json ? 'csv' : 'json';
}
