import { findPortalToken } from '@usage/db/access/portalTokens.ts';
import { bearerOf, unauthorized } from '@usage/lib/auth/access.ts';
import { hashToken, isPortalToken } from '@usage/lib/auth/token.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { portalCors, preflight } from '@usage/lib/http/portalCors.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { PortalQueryParameters } from '@usage/lib/queryApi/meterQuery.ts';
import { portalQueryDetail } from '@usage/lib/queryApi/meterQueryDetails.ts';
import { Elysia } from 'elysia';
import { presenterOf } from '../meters/presenters.ts';
import { readQueryParameters } from '../meters/request.ts';
import { queryMeter } from '../meters/service.ts';
import type { QueryRunner } from '../runner.ts';

/** GET /api/v1/portal/meters/{meterSlug}/query: one subject's own usage, by a portal token. */
export function portalQueryRoutes(runner: QueryRunner) {
  return new Elysia({ name: 'portal queries' })
    .options('/api/v1/portal/meters/:meterSlug/query', preflight, { detail: { hide: true } })
    .get(
      '/api/v1/portal/meters/:meterSlug/query',
      async ({ request, params }) => {
        const { namespace, subject, allowedMeterSlugs } = await portalTokenOf(runner, request);
        const slug = pathText(params.meterSlug);
        if (allowedMeterSlugs && !allowedMeterSlugs.includes(slug)) {
          throw new Problem('forbidden', 'This portal token does not show this meter.');
        }
        const query = { ...readQueryParameters(PortalQueryParameters, request), subjects: [subject] };
        const present = presenterOf(request.headers.get('accept'));
        const { body, headers } = await queryMeter(runner, namespace, slug, query, present);
        return new Response(body, { headers: { ...headers, ...portalCors } });
      },
      { detail: portalQueryDetail },
    );
}

/** Whose share of the queries look-ups of tokens take: no namespace has such a name. */
const strangers = '';

/** Looked up at every query: a token that was ended works no longer at once. */
async function portalTokenOf(runner: QueryRunner, request: Request) {
  const token = bearerOf(request);
  const found = isPortalToken(token)
    ? await runner.read('portal_token', strangers, (tx) => findPortalToken(tx, hashToken(token)))
    : undefined;
  if (found) return found;
  throw unauthorized('This portal token is not known, has expired or was ended.', 'invalid_token');
}
