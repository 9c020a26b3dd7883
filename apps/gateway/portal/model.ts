import { type Static, Type } from '@sinclair/typebox';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';

/** OpenMeter's wire format of portal tokens (its api/openapi.yaml). */
const time = Type.String({ format: 'date-time' });
const asked = {
  subject: Type.String({ minLength: 1, description: 'Whose usage it shows.', examples: ['customer-1'] }),
  allowedMeterSlugs: Type.Optional(
    Type.Array(Type.String(), {
      minItems: 1,
      maxItems: 100,
      description: 'Every meter where it is left out.',
    }),
  ),
};
const PortalTokenCreate = Type.Object({
  ...asked,
  expiresAt: Type.Optional({
    ...time,
    description: 'In an hour where it is left out, in 24 hours at the latest.',
  }),
});
const PortalToken = Type.Object({
  id: Type.String(),
  ...asked,
  createdAt: time,
  expiresAt: time,
  expired: Type.Optional(Type.Boolean()),
  token: Type.Optional(Type.String({ description: 'Only in the answer to its creation.' })),
});
export type PortalToken = Static<typeof PortalToken>;

const example: PortalToken = {
  id: '01G65Z755AFWAKHE12NY0CQ9FH',
  subject: 'customer-1',
  allowedMeterSlugs: ['tokens_total'],
  createdAt: '2026-11-22T10:00:00Z',
  expiresAt: '2026-11-22T11:00:00Z',
};
const tags = ['Portal'];

export const createDetail = {
  tags,
  operationId: 'createPortalToken',
  summary: 'Make a portal token',
  description: 'With it a web page can show one subject its own usage. Ends with the API key that made it.',
  requestBody: jsonRequest(PortalTokenCreate, { subject: 'customer-1', allowedMeterSlugs: ['tokens_total'] }),
  responses: {
    200: jsonResponse('The token.', PortalToken, { ...example, token: 'usage_portal_…' }),
    ...problemResponses(400, 404, 409, 413, 415),
  },
};

export const listDetail = {
  tags,
  operationId: 'listPortalTokens',
  summary: 'List portal tokens, the newest first',
  parameters: [
    parameter('query', 'limit', Type.Integer({ minimum: 1, maximum: 100, default: 25 }), 'How many.'),
  ],
  responses: {
    200: jsonResponse('The tokens without their secrets.', Type.Array(PortalToken), [example]),
    ...problemResponses(400),
  },
};

export const invalidateDetail = {
  tags,
  operationId: 'invalidatePortalTokens',
  summary: 'End portal tokens by id or subject',
  requestBody: jsonRequest(
    Type.Object({ id: Type.Optional(Type.String()), subject: Type.Optional(Type.String()) }),
    { subject: 'customer-1' },
  ),
  responses: {
    204: { description: 'They work no longer.' },
    ...problemResponses(400, 413, 415),
  },
};
