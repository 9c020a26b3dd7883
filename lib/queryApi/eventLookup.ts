import { Type } from '@sinclair/typebox';
import { jsonRequest, jsonResponse, problemResponses } from '../http/documentation.ts';
import { closedObject, judged, time as timeField } from '../validation/schema.ts';
import { textIssue } from '../validation/text.ts';

/** So many ids fit into a body of two million bytes where they are as long as a hash. */
export const lookupIdsMax = 20_000;
const idCharsMax = 1_024;

const ids = judged<string[]>(
  {
    type: 'array',
    items: Type.String({ minLength: 1, maxLength: idCharsMax }),
    minItems: 1,
    maxItems: lookupIdsMax,
  },
  (value) => {
    const isId = (one: unknown) => textIssue(one, { min: 1, max: idCharsMax }) === undefined;
    if (Array.isArray(value) && value.length > 0 && value.length <= lookupIdsMax && value.every(isId))
      return undefined;
    return `must be 1 to ${lookupIdsMax} texts of 1 to ${idCharsMax} characters`;
  },
);

export const EventLookup = closedObject({
  ids,
  from: Type.Optional(timeField('Time of the events, inclusive.')),
  to: Type.Optional(timeField('Time of the events, exclusive.')),
});

const time = Type.String({ format: 'date-time' });

export const lookupDetail = {
  tags: ['Events'],
  operationId: 'lookUpEvents',
  summary: 'Which of these ids are stored',
  description:
    'For who sends events again after a longer time than duplicates are recognised for. Events that were accepted and ' +
    'are not yet stored are not among them: sent again, they count once. `from` (inclusive) and `to` (exclusive) bound the ' +
    'time of the events, where it is known, and make the search quick. Needs the scope ingest or read.',
  requestBody: jsonRequest(EventLookup, { ids: ['req-1', 'req-2'] }),
  responses: {
    200: jsonResponse(
      'Those that are stored, with the source of each. `keptSince`: events that arrived before are no longer kept, so ' +
        'that their ids are not known any more.',
      Type.Object({
        stored: Type.Array(Type.Object({ id: Type.String(), source: Type.String() })),
        keptSince: Type.Optional(time),
      }),
      { stored: [{ id: 'req-1', source: 'chat-service' }] },
    ),
    ...problemResponses(400, 413, 415),
  },
};
