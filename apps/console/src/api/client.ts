import createClient from 'openapi-fetch';
import type { components, operations, paths } from '../../generated/api.d.ts';
import { parseExact } from './exactJson.ts';

export type { components, operations, paths };

/** What the API refused, in its own words (problem+json). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** Stays the same when the words change; '' where the answer was no problem. */
    readonly code: string,
    detail: string,
    readonly issues: readonly { field: string; reason: string }[] = [],
    readonly retryAfterSeconds: number | undefined = undefined,
  ) {
    super(detail);
    this.name = 'ApiError';
  }
}

/** A session answers to requests with this header alone: pages of other sites can't send it. */
const sessionHeader = { 'X-Usage-Console': '1' };
const retriesMax = 2;

export const api = createClient<paths>({
  baseUrl: location.origin,
  headers: sessionHeader,
  fetch: exactFetch,
});

/** Called when an answer says that nobody is signed in any more. */
export const onSignedOut: { call: () => void } = { call: () => {} };

async function exactFetch(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError(
      0,
      'unreachable',
      'The gateway does not answer: is it running, and is the network there?',
    );
  }
  if (response.status === 401 && !request.url.endsWith('/api/v1/session')) onSignedOut.call();
  if (!response.ok) throw await problemOf(response);
  response.json = async () => parseExact(await response.text());
  return response;
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  const retryAfter = Number(response.headers.get('Retry-After') ?? Number.NaN);
  const seconds = Number.isFinite(retryAfter) ? retryAfter : undefined;
  try {
    const { code, detail, extensions } = JSON.parse(text);
    const issues = extensions?.validationErrors ?? [];
    return new ApiError(response.status, String(code), String(detail), issues, seconds);
  } catch {
    return new ApiError(response.status, '', `The server answered ${response.status}.`, [], seconds);
  }
}

/** The JSON of an answer (routes that answer CSV as well are typed as either); problems have been thrown by then. */
export async function dataOf<T>(answer: Promise<{ data?: T }>): Promise<Exclude<T, string>> {
  return (await answer).data as Exclude<T, string>;
}

/** Whether to ask again by itself: not after what the client got wrong. */
export function shouldRetry(failures: number, error: Error): boolean {
  const status = error instanceof ApiError ? error.status : 0;
  return failures < retriesMax && (status === 0 || status === 429 || status >= 502);
}
