import { Problem } from '../http/problem.ts';
import { type ApiKey, defaultNamespace, type Scope, scopes } from './key.ts';
import type { KeyRing } from './keyRing.ts';
import type { KeyUse } from './keyUse.ts';
import type { RateLimits } from './rateLimits.ts';
import type { Sessions } from './sessions.ts';
import { hashToken, isHashOf } from './token.ts';

/** Who asks. */
export interface Identity {
  namespace: string;
  scopes: readonly Scope[];
  /** undefined for ADMIN_API_KEY and where AUTH=off: no limits then. */
  key: ApiKey | undefined;
  /** May make keys for every namespace. */
  isOperator: boolean;
}

/** The one place that decides who may do what. */
export interface Access {
  /** Counts the request. Throws 401 for no or an unknown key, 403 for one that has none of these scopes, 429. */
  identify(request: Request, ...anyOf: [Scope, ...Scope[]]): Identity;
  /** The same without counting it: for requests that another app counts. */
  recognise(request: Request, ...anyOf: [Scope, ...Scope[]]): Identity;
  /** Counts events of a request before they are kept; throws 429, or 413 for more than may ever come at once. */
  takeEvents(identity: Identity, count: number): void;
  /** What the asker's key has left, for the answer to a request that was identified (draft-ietf-httpapi-ratelimit-headers). */
  headersFor: ((request: Request) => Record<string, string> | undefined) | undefined;
  /** Of browsers that signed in with a key; undefined with AUTH=off, where nobody has to. */
  sessions: Sessions | undefined;
}

/** Whose events and meters a request is about; throws a Problem where it may not ask. */
export type NamespaceOf = (request: Request, ...anyOf: [Scope, ...Scope[]]) => string;

export function namespacesOf(access: Access): NamespaceOf {
  return (request, ...anyOf) => access.identify(request, ...anyOf).namespace;
}

const operator: Identity = {
  namespace: defaultNamespace,
  scopes,
  key: undefined,
  isOperator: true,
};

/** `Authorization: Bearer <key>`, by keys in memory and the operator's ADMIN_API_KEY. */
export function keyAccess(
  ring: Pick<KeyRing, 'find' | 'isLoaded'>,
  adminApiKey: string | undefined,
  limits: RateLimits,
  sessions?: Sessions,
  use?: KeyUse,
): Access {
  const adminHash = adminApiKey === undefined ? undefined : hashToken(adminApiKey);
  const recognise: Access['recognise'] = (request, ...anyOf) => {
    const token = tokenOf(request, sessions);
    const identity =
      identityOf(ring.find(token)) ?? (adminHash && isHashOf(adminHash, token) ? operator : undefined);
    if (!identity) throw unknownKey(ring.isLoaded);
    if (identity.key) use?.note(identity.key.id);
    for (const scope of anyOf) if (identity.scopes.includes(scope)) return identity;
    throw outOfScope(anyOf);
  };
  return {
    recognise,
    identify(request, ...anyOf) {
      const identity = recognise(request, ...anyOf);
      if (identity.key) limits.takeRequest(identity.key, request);
      return identity;
    },
    takeEvents({ key }, count) {
      if (key) limits.takeEvents(key, count);
    },
    headersFor: (request) => limits.headersFor(request),
    sessions,
  };
}

/** The key of the header or, where there is none, of the session; a request that is passed on then carries it. */
function tokenOf(request: Request, sessions: Sessions | undefined): string {
  const { headers } = request;
  const apiKey = headers.has('authorization') ? undefined : sessions?.apiKeyOf(request);
  if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey}`);
  return bearerOf(request);
}

/**
 * AUTH=off: everyone is the operator. Only for loopback, so pages of other sites must not get in through the browser of
 * this machine's user: neither across origins (Origin) nor by a name of theirs that leads here (DNS rebinding).
 */
export function openAccess(): Access {
  const identify = (request: Request): Identity => {
    const origin = request.headers.get('origin');
    if (origin !== null && !isOwnOrigin(origin)) {
      throw new Problem('forbidden', 'AUTH=off takes no requests from pages of other sites; set AUTH=keys.');
    }
    const host = request.headers.get('host');
    if (host !== null && !isOwnName(host)) {
      throw new Problem(
        'forbidden',
        'AUTH=off answers to localhost and addresses only, not to names; set AUTH=keys.',
      );
    }
    return operator;
  };
  return { identify, recognise: identify, takeEvents: () => {}, headersFor: undefined, sessions: undefined };
}

function isOwnOrigin(origin: string): boolean {
  const [, host] = /^https?:\/\/(.+)$/.exec(origin) ?? [];
  return host !== undefined && isOwnName(host);
}

/** localhost, an address, or the name of a container: none that DNS could be made to give. With or without a port. */
function isOwnName(host: string): boolean {
  return /^(?:[\w-]+|[\d.]+|\[[\da-f:.]+\])(?::\d+)?$/i.test(host);
}

const bearerCharsMax = 519;
const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** The token of `Authorization: Bearer …`; throws 401 where there is none. */
export function bearerOf(request: Request): string {
  const header = request.headers.get('authorization') ?? '';
  // As clients nearly always write it; whether it is a key is found when it is looked up.
  if (header.length <= bearerCharsMax && header.startsWith('Bearer ') && header.indexOf(' ', 7) < 0)
    return header.slice(7);
  const token = bearer.exec(header)?.[1];
  if (token !== undefined) return token;
  throw unauthorized('Send an API key: "Authorization: Bearer usage_…".');
}

export function unauthorized(detail: string, error?: 'invalid_token'): Problem {
  const challenge = `Bearer realm="usage"${error ? `, error="${error}"` : ''}`;
  return new Problem('unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } });
}

function identityOf(key: ApiKey | undefined): Identity | undefined {
  return key && { namespace: key.namespace, scopes: key.scopes, key, isOperator: false };
}

function unknownKey(isLoaded: boolean): Problem {
  if (isLoaded)
    return unauthorized('This API key is not known here: it is wrong or was revoked.', 'invalid_token');
  return new Problem('unavailable', 'Keys cannot be checked yet: the database has not been reached.', {
    headers: { 'Retry-After': '1' },
  });
}

function outOfScope(anyOf: readonly Scope[]): Problem {
  const wanted = anyOf.join(' or ');
  return new Problem('forbidden', `This API key lacks the scope ${wanted}.`, {
    headers: { 'WWW-Authenticate': `Bearer realm="usage", error="insufficient_scope", scope="${anyOf[0]}"` },
  });
}
