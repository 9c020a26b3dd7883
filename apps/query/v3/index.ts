import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { v3QueryDetail } from '@usage/lib/queryApi/v3Query.ts';
import { Elysia } from 'elysia';
import { formatOf } from '../meters/accept.ts';
import { presentV3Csv } from '../meters/csv.ts';
import { queryBodyBytesMax } from '../meters/index.ts';
import { queryMeter } from '../meters/service.ts';
import { type QueryRunner, readFrom } from '../runner.ts';
import { presentV3, readV3Query } from './query.ts';

/** /api/v3/openmeter: v3's words around the same services. */
export function v3QueryRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'v3 queries' }).post(
    '/api/v3/openmeter/meters/:meterId/query',
    async ({ request, params }) => {
      const namespace = namespaceOf(request, 'read');
      const query = readV3Query(await readJson(request, queryBodyBytesMax));
      const present = formatOf(request.headers.get('accept')) === 'csv' ? presentV3Csv : presentV3;
      const { body, headers } = await queryMeter(
        runner,
        namespace,
        pathText(params.meterId),
        query,
        present,
        readFrom(request),
      );
      return new Response(body, { headers });
    },
    { parse: 'none', detail: v3QueryDetail },
  );
}
