import { limitsRoutes } from '@usage/lib/limits/api/index.ts';
import type { ApiRoute } from '@usage/lib/limits/api/route.ts';

type Scope = 'ingest' | 'read' | 'admin';

/** Method, path, a body that it takes, and the scopes that may: of every route that needs a key. */
export function scopesByRoute(event: (id: string) => object): [string, string, unknown, Scope[]][] {
  return [
    ['POST', '/api/v1/events', event('scopes'), ['ingest']],
    ['GET', '/api/v1/events', undefined, ['read']],
    ['GET', '/api/v2/events', undefined, ['read']],
    ['GET', '/api/v1/meters', undefined, ['read', 'admin']],
    ['POST', '/api/v1/meters', {}, ['admin']],
    ['GET', '/api/v1/meters/{meterIdOrSlug}', undefined, ['read', 'admin']],
    ['PUT', '/api/v1/meters/{meterIdOrSlug}', {}, ['admin']],
    ['DELETE', '/api/v1/meters/{meterIdOrSlug}', undefined, ['admin']],
    ['GET', '/api/v1/meters/{meterIdOrSlug}/query', undefined, ['read']],
    ['POST', '/api/v1/meters/{meterIdOrSlug}/query', {}, ['read']],
    ['GET', '/api/v1/meters/{meterIdOrSlug}/subjects', undefined, ['read']],
    ['GET', '/api/v1/meters/{meterIdOrSlug}/group-by/{groupByKey}/values', undefined, ['read']],
    ['GET', '/api/v1/subjects', undefined, ['read', 'admin']],
    ['POST', '/api/v1/subjects', [], ['admin']],
    ['GET', '/api/v1/subjects/{subjectIdOrKey}', undefined, ['read', 'admin']],
    ['DELETE', '/api/v1/subjects/{subjectIdOrKey}', undefined, ['admin']],
    ['GET', '/api/v1/portal/tokens', undefined, ['read', 'admin']],
    ['POST', '/api/v1/portal/tokens', {}, ['read', 'admin']],
    ['POST', '/api/v1/portal/tokens/invalidate', {}, ['read', 'admin']],
    ['GET', '/api/v1/dead-letters', undefined, ['admin']],
    ['POST', '/api/v1/dead-letters/redrive', { ids: ['1'] }, ['admin']],
    ['GET', '/api/v1/debug/metrics', undefined, ['read']],
    ['GET', '/api/v1/info/progress/{id}', undefined, ['read', 'admin']],
    ['GET', '/api/v1/corrections', undefined, ['read', 'admin']],
    ['POST', '/api/v1/corrections', {}, ['admin']],
    ['DELETE', '/api/v1/corrections/{id}', undefined, ['admin']],
    ['GET', '/api/v1/backfills', undefined, ['read', 'admin']],
    ['POST', '/api/v1/backfills', {}, ['admin']],
    ['GET', '/api/v1/backfills/{id}', undefined, ['read', 'admin']],
    ['POST', '/api/v1/backfills/{id}/close', {}, ['admin']],
    ['POST', '/api/v1/backfills/{id}/revert', {}, ['admin']],
    ['GET', '/api/v1/keys', undefined, ['admin']],
    ['POST', '/api/v1/keys', {}, ['admin']],
    ['DELETE', '/api/v1/keys/{keyIdOrPrefix}', undefined, ['admin']],
    ['POST', '/otlp/v1/logs', {}, ['ingest']],
    ['POST', '/otlp/v1/metrics', {}, ['ingest']],
    ['POST', '/otlp/v1/traces', {}, ['ingest']],
    ['GET', '/api/v1/session', undefined, ['ingest', 'read', 'admin']],
    ['GET', '/api/v1/activity', undefined, ['read']],
    ['POST', '/api/v1/meters/evaluate', {}, ['read']],
    ['GET', '/api/v1/meters/{meterIdOrSlug}/rebuild', undefined, ['read', 'admin']],
    ['POST', '/api/v1/dead-letters/{deadLetterId}/redrive', {}, ['admin']],
    ['POST', '/api/v3/openmeter/events', event('scopes-3'), ['ingest']],
    ['GET', '/api/v3/openmeter/events', undefined, ['read']],
    ['GET', '/api/v3/openmeter/meters', undefined, ['read', 'admin']],
    ['POST', '/api/v3/openmeter/meters', {}, ['admin']],
    ['GET', '/api/v3/openmeter/meters/{meterId}', undefined, ['read', 'admin']],
    ['PUT', '/api/v3/openmeter/meters/{meterId}', {}, ['admin']],
    ['DELETE', '/api/v3/openmeter/meters/{meterId}', undefined, ['admin']],
    ['POST', '/api/v3/openmeter/meters/{meterId}/query', {}, ['read']],
    ['POST', '/api/v1/events/lookup', { ids: ['1'] }, ['ingest', 'read']],
    ...Object.values<ApiRoute>(limitsRoutes)
      .filter(({ detail }) => !('hide' in detail))
      .map(({ method, path, scopes }): [string, string, unknown, Scope[]] => [
        method,
        path.replace(/:(\w+)/g, '{$1}'),
        method === 'GET' || method === 'DELETE' ? undefined : {},
        [...scopes],
      ]),
  ];
}
