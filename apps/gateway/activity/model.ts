import { type Static, Type } from '@sinclair/typebox';
import { jsonResponse, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { closedObject, wholeNumber } from '@usage/lib/validation/schema.ts';

export const minutesMax = 60;
export const busiestMax = 10;
export const deadLettersCountMax = 1_000;

export const ActivityQuery = closedObject({
  minutes: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: minutesMax },
      { default: minutesMax, description: 'How far it looks back.' },
    ),
  ),
});

const time = Type.String({ format: 'date-time' });
const count = (description: string) => Type.Number({ description });

export const Activity = Type.Object({
  from: time,
  to: time,
  stepSeconds: Type.Integer({ description: 'Length of a step.' }),
  steps: Type.Array(
    Type.Object({
      start: time,
      accepted: count('Events that the gateways took.'),
      rejected: count('Requests refused, and events left out of lenient ones.'),
      stored: count('Events stored, by their arrival.'),
      duplicates: Type.Optional(
        count('Events of all namespaces that were sent again and left out; for the operator alone.'),
      ),
    }),
    { description: 'Every step of the time, the last one not over yet.' },
  ),
  asOf: Type.Optional({ ...time, description: 'All events that came before this are stored.' }),
  eventsWaiting: Type.Optional(count('Events accepted and not stored yet, of all namespaces.')),
  deadLetters: Type.Optional(
    Type.Object({
      open: Type.Integer({ description: `Not driven again; counted up to ${deadLettersCountMax}.` }),
    }),
  ),
  busiest: Type.Object({
    types: Type.Array(Type.Object({ type: Type.String(), events: Type.Number() }), {
      description: 'By events stored in the time.',
    }),
    subjects: Type.Array(Type.Object({ subject: Type.String(), events: Type.Number() }), {
      description: 'By the newest events of the time, a sample of them.',
    }),
    subjectsSampled: Type.Integer({ description: 'How many events the subjects were counted in.' }),
  }),
});
export type Activity = Static<typeof Activity>;

const start = '2026-11-22T10:00:00.000Z';
const example = {
  from: start,
  to: '2026-11-22T10:01:07.312Z',
  stepSeconds: 60,
  steps: [
    { start, accepted: 1_200, rejected: 2, stored: 1_198, duplicates: 2 },
    { start: '2026-11-22T10:01:00.000Z', accepted: 140, rejected: 0, stored: 139, duplicates: 0 },
  ],
  asOf: '2026-11-22T10:01:07.290Z',
  eventsWaiting: 1,
  deadLetters: { open: 0 },
  busiest: {
    types: [{ type: 'prompt', events: 1_337 }],
    subjects: [{ subject: 'customer-1', events: 1_337 }],
    subjectsSampled: 1_337,
  },
};

export const activityDetail = {
  tags: ['Events'],
  operationId: 'getActivity',
  summary: 'Show what happens to events now',
  description:
    'How many were accepted, refused and stored in the last minutes, in steps of ten seconds (up to 10 minutes) or of a ' +
    'minute; what waits; the busiest types and subjects. Dead letters are counted for keys with the scope admin.',
  parameters: describedParameters(ActivityQuery),
  responses: { 200: jsonResponse('What happened.', Activity, example), ...problemResponses(400) },
};
