import { Problem } from '../http/problem.ts';
import { type ApiKey, defaultNamespace, type KeyLimits, noLimits, type Scope, scopes } from './key.ts';
import type { KeyRing } from './keyRing.ts';
import { hashToken, isSameHash } from './token.ts';

/** Who asks. */
export interface Identity {
  namespace: string;
  scopes: readonly Scope[];
  limits: KeyLimits;
  /** Of the key; undefined for ADMIN_API_KEY and where AUTH=off. */
  keyId: string | undefined;
  /** May make keys for every namespace. */
  isOperator: boolean;
}

/** The one place that decides who may do what. */
export interface Access {
  /** Throws 401 for no or an unknown key, 403 for a key that has none of these scopes. */
  identify(request: Request, ...anyOf: [Scope, ...Scope[]]): Identity;
}

/** Whose events and meters a request is about; throws a Problem where it may not ask. */
export type NamespaceOf = (request: Request, ...anyOf: [Scope, ...Scope[]]) => string;

export function namespacesOf(access: Access): NamespaceOf {
  return (request, ...anyOf) => access.identify(request, ...anyOf).namespace;
}

const operator: Identity = {
  namespace: defaultNamespace,
  scopes,
  limits: noLimits,
  keyId: undefined,
  isOperator: true,
};

/** `Authorization: Bearer <key>`, by keys in memory and the operator's ADMIN_API_KEY. */
export function keyAccess(ring: Pick<KeyRing, 'find' | 'isLoaded'>, adminApiKey: string | undefined): Access {
  const adminHash = adminApiKey === undefined ? undefined : hashToken(adminApiKey);
  return {
    identify(request, ...anyOf) {
      const token = bearerOf(request);
      const identity =
        identityOf(ring.find(token)) ??
        (adminHash && isSameHash(adminHash, hashToken(token)) ? operator : undefined);
      if (!identity) throw unknownKey(ring.isLoaded);
      if (!anyOf.some((scope) => identity.scopes.includes(scope))) throw outOfScope(anyOf);
      return identity;
    },
  };
}

/**
 * AUTH=off: everyone is the operator. Only for loopback, so pages of other sites must not get in through the browser of
 * this machine's user: neither across origins (Origin) nor by a name of theirs that leads here (DNS rebinding).
 */
export function openAccess(): Access {
  return {
    identify(request) {
      const origin = request.headers.get('origin');
      if (origin !== null && !isOwnOrigin(origin)) {
        throw new Problem(
          'forbidden',
          'AUTH=off takes no requests from pages of other sites; set AUTH=keys.',
        );
      }
      const host = request.headers.get('host');
      if (host !== null && !isOwnName(host)) {
        throw new Problem(
          'forbidden',
          'AUTH=off answers to localhost and addresses only, not to names; set AUTH=keys.',
        );
      }
      return operator;
    },
  };
}

function isOwnOrigin(origin: string): boolean {
  const [, host] = /^https?:\/\/(.+)$/.exec(origin) ?? [];
  return host !== undefined && isOwnName(host);
}

/** localhost, an address, or the name of a container: none that DNS could be made to give. With or without a port. */
function isOwnName(host: string): boolean {
  return /^(?:[\w-]+|[\d.]+|\[[\da-f:.]+\])(?::\d+)?$/i.test(host);
}

const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** The token of `Authorization: Bearer …`; throws 401 where there is none. */
export function bearerOf(request: Request): string {
  const token = bearer.exec(request.headers.get('authorization') ?? '')?.[1];
  if (token !== undefined) return token;
  throw unauthorized('Send an API key: "Authorization: Bearer usage_…".');
}

export function unauthorized(detail: string, error?: 'invalid_token'): Problem {
  const challenge = `Bearer realm="usage"${error ? `, error="${error}"` : ''}`;
  return new Problem('unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } });
}

function identityOf(key: ApiKey | undefined): Identity | undefined {
  return (
    key && {
      namespace: key.namespace,
      scopes: key.scopes,
      limits: key.limits,
      keyId: key.id,
      isOperator: false,
    }
  );
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
