import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { evaluateDetail } from '@usage/lib/queryApi/evaluation.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';
import { readEvaluation } from './request.ts';
import { evaluate } from './service.ts';

const bodyBytesMax = 2 * 1024 * 1024;

/** POST /api/v1/meters/evaluate. Errors are thrown as Problem. */
export function evaluationRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'evaluation' }).post(
    '/api/v1/meters/evaluate',
    async ({ request }) => {
      const namespace = namespaceOf(request, 'read');
      return Response.json(
        await evaluate(runner, namespace, readEvaluation(namespace, await readJson(request, bodyBytesMax))),
      );
    },
    { parse: 'none', detail: evaluateDetail },
  );
}
