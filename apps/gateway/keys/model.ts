import { type Static, Type } from '@sinclair/typebox';
import { namespacePattern, scopes } from '@usage/lib/auth/key.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { keyNameLengthMax, rateMax } from './rules.ts';

/** What /swagger says about keys; requests are read by rules.ts, which names every fault. */

const rate = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: rateMax, description }));

const fields = {
  name: Type.String({ minLength: 1, maxLength: keyNameLengthMax, description: 'For people.' }),
  scopes: Type.Array(Type.Union(scopes.map((scope) => Type.Literal(scope))), {
    minItems: 1,
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

const KeyCreate = Type.Object(
  {
    ...fields,
    namespace: Type.Optional(
      Type.String({ pattern: namespacePattern, description: 'Its own one; ADMIN_API_KEY may name others.' }),
    ),
  },
  { additionalProperties: false },
);

const time = Type.String({ format: 'date-time' });
const Key = Type.Object({
  id: Type.String({ description: 'ULID' }),
  namespace: Type.String(),
  prefix: Type.String({ description: 'The characters after `usage_`: tells keys apart.' }),
  ...fields,
  createdAt: time,
  revokedAt: Type.Optional(time),
  lastUsedAt: Type.Optional({ ...time, description: 'To the minute; missing where the key was never used.' }),
});
export type Key = Static<typeof Key>;

const CreatedKey = Type.Composite([
  Key,
  Type.Object({ key: Type.String({ description: 'Shown this once.' }) }),
]);

const example: Key = {
  id: '01G65Z755AFWAKHE12NY0CQ9FH',
  namespace: 'default',
  name: 'chat service',
  prefix: 'k3x81m0q',
  scopes: ['ingest'],
  eventsPerSecond: 10_000,
  createdAt: '2026-11-22T10:00:00.123Z',
};

const tags = ['Keys'];
const namespace = parameter(
  'query',
  'namespace',
  Type.String({ pattern: namespacePattern }),
  'Its own one where it is left out; ADMIN_API_KEY may name others.',
);

export const createDetail = {
  tags,
  operationId: 'createKey',
  summary: 'Make an API key',
  description:
    'The answer is the only place where the key is ever shown. The other apps know the key milliseconds later, about a ' +
    'second where Redis is away.',
  requestBody: jsonRequest(KeyCreate, { name: 'chat service', scopes: ['ingest'], eventsPerSecond: 10_000 }),
  responses: {
    201: jsonResponse('The key.', CreatedKey, { ...example, key: 'usage_k3x81m0q_…' }),
    ...problemResponses(400, 409, 413, 415),
  },
};

export const listDetail = {
  tags,
  operationId: 'listKeys',
  summary: 'List API keys, the newest first',
  parameters: [namespace],
  responses: {
    200: jsonResponse('The keys without their secrets.', Type.Array(Key), [example]),
    ...problemResponses(400),
  },
};

export const revokeDetail = {
  tags,
  operationId: 'revokeKey',
  summary: 'Revoke an API key',
  description:
    'For good. It stops working within 5 s on every app that reaches PostgreSQL; its portal tokens end at once.',
  parameters: [parameter('path', 'keyIdOrPrefix', Type.String(), 'Its id or prefix.', 'k3x81m0q'), namespace],
  responses: { 204: { description: 'It is revoked.' }, ...problemResponses(400, 404) },
};
