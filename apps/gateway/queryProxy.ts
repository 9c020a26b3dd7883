import type { Access } from '@usage/lib/auth/access.ts';
import { readRawBody } from '@usage/lib/http/body.ts';
import { directFetch } from '@usage/lib/http/directFetch.ts';
import { preflight } from '@usage/lib/http/portalCors.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { urlOf } from '@usage/lib/http/url.ts';
import { debugMetricsDetail } from '@usage/lib/queryApi/debugMetrics.ts';
import { evaluateDetail } from '@usage/lib/queryApi/evaluation.ts';
import { cursorDetail, listDetail, v3EventListDetail } from '@usage/lib/queryApi/eventLists.ts';
import { lookupDetail } from '@usage/lib/queryApi/eventLookup.ts';
import {
  groupValuesDetail,
  portalQueryDetail,
  queryDetail,
  queryPostDetail,
  subjectsDetail,
} from '@usage/lib/queryApi/meterQueryDetails.ts';
import { v3QueryDetail } from '@usage/lib/queryApi/v3Query.ts';
import { Elysia } from 'elysia';

export interface ReadOptions {
  /** Where the query service listens. */
  queryUrl: string;
  /** From the request to the last byte of the answer. */
  readMsMax: number;
}

const retrySeconds = 1;
/** As much as the services behind it take. */
const bodyBytesMax = 2 * 1024 * 1024;
const passedToQuery = [
  'authorization',
  'accept',
  'content-type',
  'content-encoding',
  'content-length',
  'prefer',
];
const passedToClient =
  /^(content-type|content-length|content-disposition|cache-control|etag|vary|access-control-.*|link|allow|retry-after|www-authenticate|ratelimit(?:-policy)?|preference-applied|usage-.*)$/;

/**
 * Passes reads on to the query service as they are, and its answers back: status, body and the headers named here. The
 * key is looked at here, so that strangers cost the query service nothing, and passed on: the query service, which is
 * published too, trusts nobody's word for who asks, and counts the request.
 */
export function readRoutes({ queryUrl, readMsMax }: ReadOptions, access: Access) {
  const service = { name: 'query service', origin: queryUrl.replace(/\/+$/, ''), msMax: readMsMax };
  const pass = ({ request, requestId }: { request: Request; requestId: string }) => {
    access.recognise(request, 'read');
    return passOn(service, request, requestId);
  };
  const passToSenders = ({ request, requestId }: { request: Request; requestId: string }) => {
    access.recognise(request, 'ingest', 'read');
    return passOn(service, request, requestId);
  };
  const described = (detail: object) => ({ parse: 'none', detail }) as const;
  const hidden = described({ hide: true });
  const portal = '/api/v1/portal/meters/:meterSlug/query';
  const passToPortal = ({ request, requestId }: { request: Request; requestId: string }) =>
    passOn(service, request, requestId);
  return new Elysia({ name: 'reads', normalize: false })
    .decorate('requestId', '')
    .get(portal, passToPortal, described(portalQueryDetail))
    .options(portal, preflight, hidden)
    .post('/api/v3/openmeter/meters/:meterId/query', pass, described(v3QueryDetail))
    .get('/api/v1/events', pass, described(listDetail))
    .get('/api/v2/events', pass, described(cursorDetail))
    .get('/api/v3/openmeter/events', pass, described(v3EventListDetail))
    .get('/api/v1/debug/metrics', pass, described(debugMetricsDetail))
    .post('/api/v1/events/lookup', passToSenders, described(lookupDetail))
    .post('/api/v1/meters/evaluate', pass, described(evaluateDetail))
    .get('/api/v1/meters/:meterIdOrSlug/query', pass, described(queryDetail))
    .post('/api/v1/meters/:meterIdOrSlug/query', pass, described(queryPostDetail))
    .get('/api/v1/meters/:meterIdOrSlug/subjects', pass, described(subjectsDetail))
    .get('/api/v1/meters/:meterIdOrSlug/group-by/:groupByKey/values', pass, described(groupValuesDetail));
}

/** A service behind the gateway. */
export interface Service {
  /** As errors name it. */
  name: string;
  origin: string;
  /** From the request to the answer's headers. */
  msMax: number;
}

/** Passes a request on and the answer back. Problems: 503 where the service does not answer, 504 where it takes too long. */
export async function passOn(
  { name, origin, msMax }: Service,
  request: Request,
  requestId: string,
): Promise<Response> {
  const headers = new Headers({ 'X-Request-Id': requestId, 'Accept-Encoding': 'identity' });
  for (const name of passedToQuery) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const body = request.body && (await readRawBody(request, bodyBytesMax));
  const target = targetOf(request);
  const timeLimit = AbortSignal.timeout(msMax);
  try {
    const response = await directFetch(origin + target, {
      method: request.method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([request.signal, timeLimit]),
      ...(body && { body }),
    });
    return answer(response);
  } catch (error) {
    if (timeLimit.aborted)
      throw new Problem('timeout', `The ${name} took longer than ${msMax} ms; ask for less.`);
    throw unavailable(`The ${name} does not answer.`, retrySeconds, error);
  }
}

/** Path and query string, byte for byte. */
function targetOf(request: Request): string {
  const { url } = request;
  return url.slice(url.indexOf('/', urlOf(request).protocol.length + 2));
}

function answer(response: Response): Response {
  const headers = new Headers();
  response.headers.forEach((value, name) => {
    if (passedToClient.test(name)) headers.append(name, value);
  });
  return new Response(response.body, { status: response.status, headers });
}
