import { type Static, Type } from '@sinclair/typebox';
import type { Read } from '../validation/issue.ts';
import { readAs } from '../validation/issuesOf.ts';
import { choice, closedObject, text, wholeNumber, withoutNulls } from '../validation/schema.ts';
import { type ApiKey, type KeyLimits, namespacePattern, type Scope, scopes } from './key.ts';

/** What a key may be, and how one is shown. */

/** Active keys a namespace; all of them are held in memory. */
export const keysMax = 1_000;
export const keysShownMax = 1_000;
const keyNameLengthMax = 100;
const rateMax = 1_000_000_000;

const rate = (description: string) =>
  Type.Optional(wholeNumber({ minimum: 1, maximum: rateMax }, { description }));

const fields = {
  name: text({
    minLength: 1,
    maxLength: keyNameLengthMax,
    description: 'For people.',
    issue: (name) =>
      name.trim() === '' || /\p{Cc}/u.test(name) ? 'must have letters, and no control characters' : undefined,
  }),
  scopes: Type.Array(choice(scopes), {
    minItems: 1,
    maxItems: scopes.length,
    description:
      'ingest sends events; read asks for usage, events, meters and subjects, and makes portal tokens; admin changes ' +
      'meters, subjects and keys, and sees dead letters.',
  }),
  eventsPerSecond: rate('Events it may send in the long run; no limit where it is left out.'),
  eventsBurst: rate(
    'Events it may send at once, rounded up to a whole multiple of eventsPerSecond; as many as eventsPerSecond where it ' +
      'is left out.',
  ),
  requestsPerSecond: rate('Requests in the long run; no limit where it is left out.'),
  requestsBurst: rate(
    'Requests at once, rounded up to a whole multiple of requestsPerSecond; as many as requestsPerSecond where it is left out.',
  ),
};

const namespace = Type.Optional(
  text({
    maxLength: 1_024,
    pattern: namespacePattern,
    description: 'Its own one where it is left out; ADMIN_API_KEY may name others.',
    issue: (name) => (new RegExp(namespacePattern).test(name) ? undefined : `must match ${namespacePattern}`),
  }),
);

export const KeyCreate = closedObject({ ...fields, namespace });
export const NamespaceQuery = closedObject({ namespace });

const time = Type.String({ format: 'date-time' });
export const Key = Type.Object({
  id: Type.String({ description: 'ULID' }),
  namespace: Type.String(),
  prefix: Type.String({ description: 'The characters after `usage_`: tells keys apart.' }),
  ...fields,
  createdAt: time,
  revokedAt: Type.Optional(time),
  lastUsedAt: Type.Optional({ ...time, description: 'To the minute; missing where the key was never used.' }),
});
export type Key = Static<typeof Key>;

export interface KeyDefinition {
  /** undefined = the asker's own. */
  namespace: string | undefined;
  name: string;
  scopes: Scope[];
  limits: KeyLimits;
}

/** What a key is to be, or every issue. */
export function readKeyDefinition(input: unknown): Read<KeyDefinition> {
  const read = readAs<Static<typeof KeyCreate>>(KeyCreate, withoutNulls(input));
  if ('issues' in read) return read;
  const { namespace, name, eventsPerSecond, eventsBurst, requestsPerSecond, requestsBurst } = read.value;
  const issues = [
    ...burstIssues('events', eventsPerSecond, eventsBurst),
    ...burstIssues('requests', requestsPerSecond, requestsBurst),
  ];
  if (issues.length > 0) return { issues };
  const limits = { eventsPerSecond, eventsBurst, requestsPerSecond, requestsBurst };
  return { value: { namespace, name, scopes: [...new Set(read.value.scopes)], limits } };
}

function burstIssues(what: 'events' | 'requests', rate: number | undefined, burst: number | undefined) {
  if (burst === undefined || (rate !== undefined && burst >= rate)) return [];
  const reason = rate === undefined ? `needs ${what}PerSecond` : `must not be less than ${what}PerSecond`;
  return [{ field: `${what}Burst`, reason }];
}

/** The key without its secret, as the API and `bun run keys` show it. */
export function shownKey(
  key: ApiKey & { createdAt: Date; revokedAt?: Date | undefined; lastUsedAt?: Date | undefined },
): Key {
  const { id, namespace, name, prefix, scopes, limits, createdAt, revokedAt, lastUsedAt } = key;
  return {
    id,
    namespace,
    name,
    prefix,
    scopes: [...scopes],
    ...Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)),
    createdAt: createdAt.toISOString(),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }),
  };
}
