import { type Static, Type } from '@sinclair/typebox';
import { scopes } from '@usage/lib/auth/key.ts';
import { jsonRequest, jsonResponse, problemResponses } from '@usage/lib/http/documentation.ts';
import { closedObject, judged } from '@usage/lib/validation/schema.ts';

const Rate = (description: string) => Type.Optional(Type.Integer({ description }));
const Session = Type.Object({
  auth: Type.Union([Type.Literal('keys'), Type.Literal('off')], {
    description: 'off: nobody needs a key on this installation.',
  }),
  namespace: Type.String(),
  scopes: Type.Array(Type.Union(scopes.map((scope) => Type.Literal(scope)))),
  isOperator: Type.Boolean({ description: 'Whether this is ADMIN_API_KEY, or AUTH=off.' }),
  key: Type.Optional(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      prefix: Type.String(),
      eventsPerSecond: Rate('Events a second that the key may send.'),
      requestsPerSecond: Rate('Requests a second that the key may make.'),
    }),
  ),
});
export type Session = Static<typeof Session>;

const keyCharsMax = 512;

export const SessionBegin = closedObject({
  key: judged<string>({ type: 'string', minLength: 1, maxLength: keyCharsMax }, (value) =>
    typeof value === 'string' && value.length <= keyCharsMax && /^[\x21-\x7e]+$/.test(value.trim())
      ? undefined
      : 'must be an API key: usage_… or the operator’s',
  ),
});

const example: Session = {
  auth: 'keys',
  namespace: 'default',
  scopes: ['read'],
  isOperator: false,
  key: { id: '01G65Z755AFWAKHE12NY0CQ9FH', name: 'dashboards', prefix: 'k3x81m0q' },
};
const tags = ['Keys'];
const session = jsonResponse('Who asks, and what the key allows.', Session, example);

export const showDetail = {
  tags,
  operationId: 'getSession',
  summary: 'Show who asks, and what the key allows',
  responses: { 200: session, ...problemResponses() },
};

export const beginDetail = {
  tags,
  operationId: 'beginSession',
  summary: 'Sign a browser in with an API key',
  description:
    'Sets an HttpOnly, SameSite=Strict cookie that stands for the key for 12 hours. Requests with the cookie that change ' +
    'something must carry the header `X-Usage-Console`, which pages of other sites cannot send.',
  security: [],
  requestBody: jsonRequest(SessionBegin, { key: 'usage_k3x81m0q_…' }),
  responses: { 200: session, ...problemResponses(400, 413, 415) },
};

export const endDetail = {
  tags,
  operationId: 'endSession',
  summary: 'Sign a browser out',
  security: [],
  responses: { 204: { description: 'The cookie is deleted.' } },
};
