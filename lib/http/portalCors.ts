const portalPrefix = '/api/v1/portal/meters/';

/**
 * Pages of any site may ask a portal: what they show is the token's, and no cookie is involved. The headers that may be sent
 * are OpenMeter's.
 */
export const portalCors: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
  'Access-Control-Allow-Headers': 'Accept, Authorization, Content-Type',
  'Access-Control-Expose-Headers':
    'Content-Disposition, Retry-After, Usage-As-Of, Usage-Events-Waiting, X-Request-Id',
  'Access-Control-Max-Age': '86400',
};

/** What a page needs to read an error of this path; nothing on any other path. */
export function corsOfErrors(pathname: string | undefined): Readonly<Record<string, string>> {
  return pathname?.startsWith(portalPrefix) ? portalCors : {};
}

/** The answer to a preflight. */
export function preflight(): Response {
  return new Response(null, { status: 204, headers: portalCors });
}
