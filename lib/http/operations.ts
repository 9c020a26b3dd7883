import { Elysia } from 'elysia';
import { collectDefaultMetrics, Histogram, type Registry } from 'prom-client';
import type { Health, HealthReport } from '../service/health.ts';
import type { Logger } from '../service/log.ts';

export interface Operations {
  log: Logger;
  health: Health;
  registry: Registry;
}

const requestIdCharsMax = 128;
/** Visible ASCII without quotes and backslash: harmless in headers, logs and URNs. */
const saneRequestId = /^[\w.:/@=+-]+$/;

/** Routes that load balancers and Prometheus poll; measured, not logged. */
const operationsTag = { tags: ['Operations'], security: [] };

/**
 * What every app shows its operators: /health/live, /health/ready, /metrics; and for every request of the app an
 * id (`X-Request-Id`, taken over when it is sane), a duration in `usage_http_request_duration_seconds` and, at
 * level debug, a line in the log.
 */
export function operations({ log, health, registry }: Operations) {
  collectDefaultMetrics({ register: registry });
  const observe = requestDurations(registry);
  return new Elysia({ name: 'operations' })
    .decorate('requestId', '')
    .decorate('startedMs', 0)
    .onRequest((context) => {
      context.startedMs = performance.now();
      context.requestId = requestIdOf(context.request);
      context.set.headers['X-Request-Id'] = context.requestId;
    })
    .onAfterResponse({ as: 'global' }, ({ request, route, set, response, startedMs, requestId }) => {
      const seconds = (performance.now() - startedMs) / 1_000;
      const status = response instanceof Response ? response.status : Number(set.status ?? 200);
      observe(request.method, route, status, seconds);
      if (log.isLevelEnabled('debug')) {
        log.debug({ requestId, method: request.method, url: request.url, status, seconds }, 'request');
      }
    })
    .get('/health/live', async () => healthResponse(await health.isLive()), {
      detail: { ...operationsTag, summary: 'Whether the app runs or can recover by itself' },
    })
    .get('/health/ready', async () => healthResponse(await health.isReady()), {
      detail: { ...operationsTag, summary: 'Whether the app can take work now' },
    })
    .get('/metrics', async () => metricsResponse(registry), {
      detail: { ...operationsTag, summary: 'Metrics in the text format of Prometheus' },
    });
}

/** The client's id when it is sane, else a new one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id');
  if (given !== null && given.length <= requestIdCharsMax && saneRequestId.test(given)) return given;
  return newRequestId();
}

/** Unique within all processes: a random start and a counter. A UUID per request costs ten times as much. */
function newRequestId(): string {
  requestCount = (requestCount + 1) % Number.MAX_SAFE_INTEGER;
  return processId + requestCount.toString(36);
}

const processId = `${crypto.randomUUID().slice(0, 13)}-`;
let requestCount = 0;

function healthResponse({ ok, faults }: HealthReport): Response {
  return Response.json({ status: ok ? 'ok' : 'failing', faults }, { status: ok ? 200 : 503 });
}

async function metricsResponse(registry: Registry): Promise<Response> {
  return new Response(await registry.metrics(), { headers: { 'Content-Type': registry.contentType } });
}

/** Labelled children are made once per method, route and status class: an observation is one map look-up. */
function requestDurations(registry: Registry) {
  const histogram = new Histogram({
    name: 'usage_http_request_duration_seconds',
    help: 'Time from the request line to the answer',
    labelNames: ['method', 'route', 'status_class'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  const children = new Map<string, { observe(seconds: number): void }>();
  return (method: string, route: string | undefined, status: number, seconds: number) => {
    const template = route || 'unmatched';
    const statusClass = (status / 100) | 0;
    const key = `${method} ${template} ${statusClass}`;
    let child = children.get(key);
    if (!child) {
      const name = knownMethods.has(method) ? method : 'other';
      child = histogram.labels(name, template, `${statusClass}xx`);
      children.set(key, child);
    }
    child.observe(seconds);
  };
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
