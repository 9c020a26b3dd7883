import { type Static, Type } from '@sinclair/typebox';
import { attributeBytesMax } from '../event/event.ts';
import { jsonRequest, jsonResponse, problemResponses } from '../http/documentation.ts';
import { meterFields } from '../meter/fields.ts';
import { closedObject, text, wholeNumber } from '../validation/schema.ts';

export const evaluatedEventsMax = 100;

const time = Type.String({ format: 'date-time' });

const MeterOutcome = Type.Object({
  slug: Type.String(),
  aggregation: Type.String(),
  counted: Type.Boolean(),
  value: Type.Optional(
    Type.String({
      description:
        'What the event adds, exactly: a decimal, 1 for COUNT, the distinct value for UNIQUE_COUNT.',
    }),
  ),
  groupBy: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'The group it counts in.' }),
  ),
  reason: Type.Optional(Type.String({ description: 'Why it does not count.' })),
});
export type MeterOutcome = Static<typeof MeterOutcome>;

const EvaluatedEvent = Type.Object({
  id: Type.String(),
  source: Type.String(),
  type: Type.String(),
  subject: Type.String(),
  time,
  ingestedAt: time,
  meters: Type.Array(MeterOutcome, { description: 'Meters of its type.' }),
});
export type EvaluatedEvent = Static<typeof EvaluatedEvent>;

const Evaluation = Type.Object({
  items: Type.Array(EvaluatedEvent, { description: 'The events, newest first.' }),
  paths: Type.Array(
    Type.Object({
      path: Type.String({ description: 'JSONPath of a single value in the events’ data.' }),
      events: Type.Integer({ description: 'Events that have a value there.' }),
      numbers: Type.Integer({ description: 'How many of these values are numbers.' }),
      examples: Type.Array(Type.String()),
    }),
  ),
});
export type Evaluation = Static<typeof Evaluation>;

/** A meter that need not exist: `slug` may be left out, name and the like are taken and not used. */
const MeterPreview = closedObject({ ...meterFields, slug: Type.Optional(meterFields.slug) });
const identity = text({ minLength: 1, maxLength: attributeBytesMax });

export const EvaluationBody = closedObject({
  meter: Type.Optional(MeterPreview),
  event: Type.Optional(closedObject({ source: identity, id: identity })),
  limit: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: evaluatedEventsMax },
      { default: evaluatedEventsMax, description: 'Events at most.' },
    ),
  ),
});

const example: Evaluation = {
  items: [
    {
      id: 'req-1',
      source: 'chat-service',
      type: 'prompt',
      subject: 'customer-1',
      time: '2026-11-22T10:00:00Z',
      ingestedAt: '2026-11-22T10:00:00.123Z',
      meters: [
        { slug: 'preview', aggregation: 'SUM', counted: true, value: '1432', groupBy: { model: 'large' } },
      ],
    },
  ],
  paths: [
    { path: '$.tokens', events: 1, numbers: 1, examples: ['1432'] },
    { path: '$.model', events: 1, numbers: 0, examples: ['large'] },
  ],
};

export const evaluateDetail = {
  tags: ['Meters'],
  operationId: 'evaluateMeters',
  summary: 'Show what meters make of stored events',
  description:
    'With `meter`: what a meter, which need not exist, makes of the newest events of its type, and which paths their data ' +
    'has. With `event`: which meters counted one event, with which value and in which group, or why not. Changes nothing.',
  requestBody: jsonRequest(EvaluationBody, {
    meter: {
      eventType: 'prompt',
      aggregation: 'SUM',
      valueProperty: '$.tokens',
      groupBy: { model: '$.model' },
    },
    limit: 100,
  }),
  responses: {
    200: jsonResponse('The events with what each meter makes of them.', Evaluation, example),
    ...problemResponses(400, 413, 415),
  },
};
