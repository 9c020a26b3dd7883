import { countBySubject } from '@usage/db/events/countBySubject.ts';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { endUs } from '@usage/lib/event/time.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { debugMetricsDetail } from '@usage/lib/queryApi/debugMetrics.ts';
import { dayUs } from '@usage/lib/windows/units.ts';
import { Elysia } from 'elysia';
import type { QueryRunner } from '../runner.ts';

const subjectsMax = 100_000;

/** GET /api/v1/debug/metrics: how many events a namespace has since midnight UTC. */
export function debugMetricsRoutes(runner: QueryRunner, namespaceOf: NamespaceOf) {
  return new Elysia({ name: 'debug metrics' }).get(
    '/api/v1/debug/metrics',
    async ({ request }) => {
      const namespace = namespaceOf(request, 'read');
      const nowUs = Date.now() * 1_000;
      const since = { fromUs: nowUs - (nowUs % dayUs), toUs: endUs };
      const counts = await runner.read('events', namespace, (tx) =>
        countBySubject(tx, namespace, since, subjectsMax + 1),
      );
      if (counts.length > subjectsMax)
        throw new Problem('bad_request', `More than ${subjectsMax} subjects have events since midnight.`);
      return new Response(openMetrics(counts), {
        headers: { 'Content-Type': 'application/openmetrics-text; version=1.0.0; charset=utf-8' },
      });
    },
    { detail: debugMetricsDetail },
  );
}

function openMetrics(counts: readonly { subject: string; events: number }[]): string {
  const lines = counts.map(
    ({ subject, events }) => `openmeter_events_total{subject="${escaped(subject)}"} ${events}`,
  );
  return [
    '# HELP openmeter_events Number of ingested events',
    '# TYPE openmeter_events counter',
    ...lines,
    '# EOF',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}
