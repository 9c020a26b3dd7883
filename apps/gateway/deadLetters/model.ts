import { Type } from '@sinclair/typebox';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { closedObject, judged, wholeNumber } from '@usage/lib/validation/schema.ts';

export const deadLettersPageMax = 100;
const redriveMax = 100;

export const DeadLetterQuery = closedObject({
  limit: Type.Optional(
    wholeNumber({ minimum: 1, maximum: deadLettersPageMax }, { description: 'How many.', examples: [20] }),
  ),
  before: Type.Optional(
    judged<string>(
      { type: 'string', description: 'Id of the last one of the page before.', examples: ['42'] },
      (value) => (isId(value) ? undefined : 'must be the id of a dead letter, from the answer before'),
    ),
  ),
});

const id = judged<string | number>({ type: 'string', pattern: '^\\d{1,18}$' }, (value) =>
  isId(value) ? undefined : 'must be the id of a dead letter',
);
export const Redrive = closedObject({ ids: Type.Array(id, { minItems: 1, maxItems: redriveMax }) });

/** As a text, or as the number that a lenient client makes of it. */
export function isId(value: unknown): boolean {
  return typeof value === 'number'
    ? Number.isSafeInteger(value) && value >= 0
    : typeof value === 'string' && /^\d{1,18}$/.test(value);
}

const tags = ['Dead letters'];

const letter = Type.Object({
  id: Type.String(),
  kind: Type.Union([Type.Literal('frame'), Type.Literal('event')]),
  reason: Type.String(),
  event: Type.Optional(Type.Unknown()),
  frame: Type.Optional(Type.String({ description: 'base64' })),
  createdAt: Type.String({ format: 'date-time' }),
  redrivenAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});

export const listDetail = {
  tags,
  operationId: 'listDeadLetters',
  summary: 'List dead letters',
  description:
    'Events that could not be stored, with the reason, the newest first. Frames that could not be read hold anybody’s ' +
    'events: ADMIN_API_KEY alone sees them.',
  parameters: describedParameters(DeadLetterQuery),
  responses: {
    200: jsonResponse('A page of dead letters.', Type.Object({ items: Type.Array(letter) }), {
      items: [
        {
          id: '42',
          kind: 'event',
          reason: 'the event lacks id, source, type, subject or a valid time',
          event: { id: '1' },
          createdAt: '2026-11-22T10:00:00.000Z',
          redrivenAt: null,
        },
      ],
    }),
    ...problemResponses(400),
  },
};

export const redriveDetail = {
  tags,
  operationId: 'redriveDeadLetters',
  summary: 'Drive dead letters again',
  description: 'Puts them back into the stream. What was stored meanwhile counts as a duplicate.',
  requestBody: jsonRequest(Redrive, { ids: ['42'] }),
  responses: {
    200: jsonResponse('How many were put back.', Type.Object({ redriven: Type.Integer() }), { redriven: 1 }),
    ...problemResponses(400, 413, 415),
  },
};

export const redriveMendedDetail = {
  tags,
  operationId: 'redriveMendedDeadLetter',
  summary: 'Drive a mended event again',
  description:
    'The body takes the place of the event that could not be stored. It is checked as every event is, and counts once by its ' +
    'source and id.',
  parameters: [parameter('path', 'deadLetterId', Type.String(), 'Its id.', '42')],
  requestBody: jsonRequest(Type.Object({}, { additionalProperties: true, description: 'A CloudEvent.' }), {
    specversion: '1.0',
    id: 'req-1',
    source: 'chat-service',
    type: 'prompt',
    subject: 'customer-1',
    data: { tokens: 1432 },
  }),
  responses: {
    200: jsonResponse('It was put back.', Type.Object({ redriven: Type.Integer() }), { redriven: 1 }),
    ...problemResponses(400, 404, 413, 415),
  },
};
