import { ValidationError } from 'elysia';
import type { Logger } from '../service/log.ts';
import { corsOfErrors } from './portalCors.ts';

/** What can go wrong for a client: the one table from code to HTTP status (RFC 9110 titles). */
const problemCodes = {
  bad_request: [400, 'Bad Request'],
  malformed_json: [400, 'Bad Request'],
  invalid_events: [400, 'Bad Request'],
  unauthorized: [401, 'Unauthorized'],
  forbidden: [403, 'Forbidden'],
  not_found: [404, 'Not Found'],
  method_not_allowed: [405, 'Method Not Allowed'],
  not_acceptable: [406, 'Not Acceptable'],
  too_slow: [408, 'Request Timeout'],
  conflict: [409, 'Conflict'],
  precondition_failed: [412, 'Precondition Failed'],
  too_large: [413, 'Content Too Large'],
  unsupported_media_type: [415, 'Unsupported Media Type'],
  too_many_requests: [429, 'Too Many Requests'],
  internal: [500, 'Internal Server Error'],
  not_implemented: [501, 'Not Implemented'],
  unavailable: [503, 'Service Unavailable'],
  timeout: [504, 'Gateway Timeout'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof problemCodes;
export const problemCodeNames = Object.keys(problemCodes) as ProblemCode[];

interface ProblemOptions {
  headers?: Record<string, string>;
  /** Members of `extensions`, as OpenMeter's problems have them. */
  extensions?: Record<string, unknown>;
  /** Which part of the request `extensions.validationErrors` are about, where these are its fields. */
  source?: 'query' | 'body';
  /** Logged, never shown. */
  cause?: unknown;
}

/** An error that is meant for the client: `detail` says what happened, why, and what to do. */
export class Problem extends Error {
  readonly status: number;
  readonly headers: Record<string, string> | undefined;
  readonly extensions: Record<string, unknown> | undefined;
  readonly source: 'query' | 'body' | undefined;

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    options: ProblemOptions = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = 'Problem';
    this.status = problemCodes[code][0];
    this.headers = options.headers;
    this.extensions = options.extensions;
    this.source = options.source;
  }
}

/** 503 with Retry-After: nothing was kept, the same request may be sent again. */
export function unavailable(detail: string, retryAfterSeconds: number, cause?: unknown): Problem {
  return new Problem('unavailable', detail, { headers: { 'Retry-After': String(retryAfterSeconds) }, cause });
}

export function bodyTooLarge(bodyBytesMax: number): Problem {
  return new Problem('too_large', `The body is longer than ${bodyBytesMax} bytes; send it in smaller parts.`);
}

/** The answer to an error, as application/problem+json (RFC 9457), on /api/v3 with OpenMeter's v3 members as well. */
export function problemResponse(problem: Problem, requestId: string, pathname = ''): Response {
  const isV3 = pathname.startsWith('/api/v3/');
  const body = {
    type: isV3 ? `https://kongapi.info/konnect/${v3Types[problem.status] ?? 'internal'}` : 'about:blank',
    title: problemCodes[problem.code][1],
    status: problem.status,
    detail: problem.detail,
    instance: `urn:request:${requestId}`,
    code: problem.code,
    ...(problem.extensions && { extensions: problem.extensions }),
    ...(isV3 && problem.status === 400 && { invalid_parameters: invalidParameters(problem) }),
  };
  const headers = {
    ...corsOfErrors(pathname),
    ...problem.headers,
    'Content-Type': 'application/problem+json',
    'X-Request-Id': requestId,
  };
  return new Response(JSON.stringify(body), { status: problem.status, headers });
}

/** OpenMeter's v3 names the kinds of problems by these URIs' last parts. */
const v3Types: Readonly<Record<number, string>> = {
  400: 'bad-request',
  401: 'unauthenticated',
  403: 'unauthorized',
  404: 'not-found',
  405: 'method-not-allowed',
  409: 'resource-conflict',
  412: 'precondition-failed',
  429: 'rate-limited',
  501: 'not-implemented',
  503: 'unavailable',
};

interface ShownIssue {
  index?: number;
  line?: number;
  field: string;
  reason: string;
}

/** The issues as OpenMeter's v3 lists them. */
function invalidParameters({ extensions, source = 'body' }: Problem) {
  const issues = (extensions?.validationErrors ?? []) as ShownIssue[];
  return issues.map(({ index, line, field, reason }) => {
    const at = index ?? line;
    const place = at === undefined ? '' : `[${at}]`;
    return { field: field && place ? `${place}.${field}` : place + field, reason, source };
  });
}

/**
 * Makes a Problem of whatever a route threw. Errors that aren't meant for clients become a bare 500: their message
 * could hold SQL, addresses or data, so it goes to the log only, next to the request's id.
 */
export function toProblem(error: unknown, log: Logger, requestId: string): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ValidationError) return validationProblem(error);
  switch ((error as { code?: unknown } | undefined)?.code) {
    case 'NOT_FOUND':
      return new Problem('not_found', 'There is no such route; /swagger lists those that are there.');
    case 'PARSE':
      return new Problem('bad_request', 'The body could not be read as its Content-Type says.');
  }
  log.error({ err: error, requestId }, 'request failed');
  return new Problem('internal', 'An unexpected error; the log of the server has it under this request id.');
}

const validationErrorsMax = 20;

/** From Elysia's schema check of a body, query or path. */
function validationProblem(error: ValidationError): Problem {
  const all = error.all as { path?: string; summary?: string; message?: string }[];
  const issues = all.slice(0, validationErrorsMax).map((issue) => ({
    field: `${error.type}${(issue.path ?? '').replaceAll('/', '.')}`,
    reason: issue.summary ?? issue.message ?? 'is not valid',
  }));
  const first = issues[0];
  const detail = first ? `${first.field}: ${first.reason}` : `The ${error.type} is not valid.`;
  return new Problem('bad_request', detail, { extensions: { validationErrors: issues } });
}
