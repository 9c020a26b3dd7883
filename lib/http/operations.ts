import { Elysia } from 'elysia';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import type { Health, HealthReport } from '../service/health.ts';
import type { Logger } from '../service/log.ts';
import { RequestDurations } from '../service/requestDurations.ts';

export interface Operations {
  health: Health;
  registry: Registry;
  answered: Answered;
  headersFor: HeadersFor | undefined;
}

/** More headers for the answer of a route to this request. */
export type HeadersFor = (request: Request) => Record<string, string> | undefined;

/** Called once for every request, when its answer is made. */
export type Answered = (
  request: Request,
  route: string | undefined,
  startedMs: number,
  requestId: string,
  status: number,
) => void;

const requestIdCharsMax = 128;
/** Visible ASCII without quotes and backslash: harmless in headers, logs and URNs. */
const saneRequestId = /^[\w.:/@=+-]+$/;

/** Routes that load balancers and Prometheus poll; measured, not logged. */
const operationsTag = { tags: ['Operations'], security: [] };

/**
 * What every app shows its operators: /health/live, /health/ready, /metrics; and for every request of the app an
 * id (`X-Request-Id`, taken over when it is sane). A route's answer calls `answered`, and so
 * does the handler of errors. Elysia's onAfterResponse covers both, but takes 1 µs a request.
 */
export function operations({ health, registry, answered, headersFor }: Operations) {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'usage_ready',
    help: '1: the app can do its work. 0: /health/ready says why not.',
    registers: [registry],
    async collect() {
      this.set((await health.isReady()).ok ? 1 : 0);
    },
  });
  return (
    new Elysia({ name: 'operations' })
      .decorate('requestId', '')
      .decorate('startedMs', 0)
      .onRequest((context) => {
        context.startedMs = performance.now();
        context.requestId = requestIdOf(context.request);
        context.set.headers['X-Request-Id'] = context.requestId;
      })
      // Taken apart here: Elysia would read query, cookies and headers for a hook that hands the whole context on.
      .onAfterHandle({ as: 'global' }, ({ request, route, set, response, startedMs, requestId }) => {
        const status = response instanceof Response ? response.status : Number(set.status ?? 200);
        const headers = headersFor?.(request);
        if (headers) Object.assign(set.headers, headers);
        answered(request, route, startedMs, requestId, status);
      })
      .get('/health/live', async () => healthResponse(await health.isLive()), {
        detail: { ...operationsTag, summary: 'Whether the app runs or can recover by itself' },
      })
      .get('/health/ready', async () => healthResponse(await health.isReady()), {
        detail: { ...operationsTag, summary: 'Whether the app can take work now' },
      })
      .get('/metrics', async () => metricsResponse(registry), {
        detail: { ...operationsTag, summary: 'Metrics in the text format of Prometheus' },
      })
  );
}

/** Measures every request and, at level debug, logs it. */
export function requestRecord(log: Logger, registry: Registry): Answered {
  const durations = new RequestDurations(registry);
  return (request, route, startedMs, requestId, status) => {
    const seconds = (performance.now() - startedMs) / 1_000;
    durations.observe(request.method, route, status, seconds);
    if (log.isLevelEnabled('debug')) {
      log.debug({ requestId, method: request.method, url: request.url, status, seconds }, 'request');
    }
  };
}

/** The client's id when it is sane, else a new one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id');
  if (given !== null && given.length <= requestIdCharsMax && saneRequestId.test(given)) return given;
  return newRequestId();
}

/** Unique within all processes: a random start and a counter. A UUID per request costs ten times as much. */
function newRequestId(): string {
  return processId + (++requestCount).toString(36);
}

const processId = `${crypto.randomUUID().slice(0, 13)}-`;
let requestCount = 0;

function healthResponse({ ok, faults }: HealthReport): Response {
  return Response.json({ status: ok ? 'ok' : 'failing', faults }, { status: ok ? 200 : 503 });
}

async function metricsResponse(registry: Registry): Promise<Response> {
  return new Response(await registry.metrics(), { headers: { 'Content-Type': registry.contentType } });
}
