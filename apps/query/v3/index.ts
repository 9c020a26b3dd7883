import { Type } from '@sinclair/typebox';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { pathText } from '@usage/lib/http/faults.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { Elysia } from 'elysia';
import { queryMeter } from '../meters/service.ts';
import type { QueryRunner } from '../runner.ts';
import { readV3Query } from './request.ts';

const bodyBytesMax = 2 * 1024 * 1024;

/** POST /api/v3/openmeter/meters/{meterId}/query: v3's words around the same service. */
export function v3QueryRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'v3 queries' }).post(
    '/api/v3/openmeter/meters/:meterId/query',
    async ({ request, params }) => {
      const namespace = namespaceOf(request, 'read');
      const query = readV3Query(await readJson(request, bodyBytesMax));
      const answered = await queryMeter(runner, namespace, pathText(params.meterId), query, 'v3');
      return new Response(answered.body, { headers: answered.headers });
    },
    { parse: 'none', detail: v3QueryDetail },
  );
}

export const v3QueryDetail = {
  tags: ['OpenMeter v3'],
  operationId: 'v3QueryMeter',
  summary: 'Query usage (v3)',
  parameters: [parameter('path', 'meterId', Type.String(), 'Id or key.', 'tokens_total')],
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object' as const,
          properties: {
            from: { type: 'string' as const, format: 'date-time' },
            to: { type: 'string' as const, format: 'date-time' },
            granularity: { type: 'string' as const, enum: ['PT1M', 'PT1H', 'P1D', 'P1M'] },
            time_zone: { type: 'string' as const, default: 'UTC' },
            group_by_dimensions: {
              type: 'array' as const,
              items: { type: 'string' as const },
              maxItems: 100,
            },
            filters: {
              type: 'object' as const,
              properties: {
                dimensions: { type: 'object' as const, additionalProperties: { type: 'object' as const } },
              },
            },
          },
        },
        example: {
          granularity: 'P1D',
          time_zone: 'UTC',
          filters: { dimensions: { model: { eq: 'gpt-5' } } },
        },
      },
    },
  },
  responses: {
    200: { description: 'The usage; values are exact, as texts.' },
    ...problemResponses(400, 404, 413, 415),
  },
};
