import { Type } from '@sinclair/typebox';
import { Key, KeyCreate, NamespaceQuery } from '@usage/lib/auth/keyDefinition.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';

/** What /swagger says about keys. */

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
  parameters: describedParameters(NamespaceQuery),
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
  parameters: [
    parameter('path', 'keyIdOrPrefix', Type.String(), 'Its id or prefix.', 'k3x81m0q'),
    ...describedParameters(NamespaceQuery),
  ],
  responses: { 204: { description: 'It is revoked.' }, ...problemResponses(400, 404) },
};
