import { type Static, Type } from '@sinclair/typebox';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { jsonRequest, jsonResponse, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { closedObject, judged, text, wholeNumber } from '@usage/lib/validation/schema.ts';

/** OpenMeter's wire format of portal tokens (its api/openapi.yaml). */

/** The longest that a page's token may live. */
const lifeHoursMax = 24;
const slugsMax = 100;
const subjectLengthMax = 1_024;

const asked = {
  subject: text({
    minLength: 1,
    maxLength: subjectLengthMax,
    description: 'Whose usage it shows.',
    examples: ['customer-1'],
  }),
  allowedMeterSlugs: Type.Optional(
    Type.Array(text({ minLength: 1, maxLength: subjectLengthMax }), {
      minItems: 1,
      maxItems: slugsMax,
      description: 'Every meter where it is left out.',
    }),
  ),
};

const soon = judged<string>(
  {
    type: 'string',
    format: 'date-time',
    description: `In an hour where it is left out, in ${lifeHoursMax} hours at the latest.`,
  },
  (value) => {
    const us = typeof value === 'string' ? parseTimeUs(value) : undefined;
    const leftMs = us === undefined ? Number.NaN : us / 1_000 - Date.now();
    return leftMs > 0 && leftMs <= lifeHoursMax * 3_600_000
      ? undefined
      : `must be an RFC 3339 time within the next ${lifeHoursMax} hours`;
  },
);

const setBySystem = (name: string) =>
  ['id', 'createdAt', 'expired', 'token'].includes(name) ? 'is set by the system' : undefined;

export const PortalTokenCreate = closedObject(
  { ...asked, expiresAt: Type.Optional(soon) },
  { unknown: setBySystem },
);
export const TokensToEnd = closedObject({
  id: Type.Optional(text({ minLength: 1, maxLength: subjectLengthMax })),
  subject: Type.Optional(text({ minLength: 1, maxLength: subjectLengthMax })),
});
export const TokenListQuery = closedObject({
  limit: Type.Optional(wholeNumber({ minimum: 1, maximum: 100 }, { default: 25, description: 'How many.' })),
});

const time = Type.String({ format: 'date-time' });
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
  parameters: describedParameters(TokenListQuery),
  responses: {
    200: jsonResponse('The tokens without their secrets.', Type.Array(PortalToken), [example]),
    ...problemResponses(400),
  },
};

export const invalidateDetail = {
  tags,
  operationId: 'invalidatePortalTokens',
  summary: 'End portal tokens by id or subject',
  requestBody: jsonRequest(TokensToEnd, { subject: 'customer-1' }),
  responses: {
    204: { description: 'They work no longer.' },
    ...problemResponses(400, 413, 415),
  },
};
