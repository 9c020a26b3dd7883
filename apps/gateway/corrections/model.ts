import { type Static, Type } from '@sinclair/typebox';
import { attributeBytesMax } from '@usage/lib/event/event.ts';
import { jsonRequest, jsonResponse, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { choice, closedObject, flag, judged, text, time, wholeNumber } from '@usage/lib/validation/schema.ts';

/** Events that one request may correct. */
export const eventsMax = 10_000;
export const listMax = 100;
const reasonLengthMax = 1_024;

const attribute = (description: string) =>
  text({ minLength: 1, maxLength: attributeBytesMax, bytesMax: attributeBytesMax, description });

const Identity = closedObject({
  source: attribute('Source of the event.'),
  id: attribute('Id of the event.'),
  time: Type.Optional(
    time(
      'Its time as it came, where that is known: the event is found sooner, and one of another time is not meant.',
    ),
  ),
});

export const EventFilter = closedObject({
  type: Type.Optional(attribute('Type of the events.')),
  source: Type.Optional(attribute('Source of the events.')),
  subject: Type.Optional(attribute('Subject of the events, as it came.')),
  from: Type.Optional(time('Time of the events, as it came: from, inclusive.')),
  to: Type.Optional(time('Time of the events, as it came: to, exclusive.')),
});

export const Correct = closedObject({
  action: choice(['void', 'amend'], {
    description: 'void: the events count no more. amend: they count as given here.',
  }),
  reason: text({
    minLength: 1,
    maxLength: reasonLengthMax,
    description: 'Why, for those who read the list of corrections.',
  }),
  event: Type.Optional(Identity),
  filter: Type.Optional(EventFilter),
  dryRun: Type.Optional(
    flag({ description: 'Only says how many events it is, and what the meters lose or gain.' }),
  ),
  time: Type.Optional(time('amend: when it happened.')),
  subject: Type.Optional(attribute('amend: whose usage it is.')),
  data: Type.Optional(Type.Unknown({ description: 'amend: the data, as a whole.' })),
});
export type Correct = Static<typeof Correct>;

const correctionId = judged<string>({ type: 'string', pattern: '^\\d{1,18}$' }, (value) =>
  typeof value === 'string' && /^\d{1,18}$/.test(value) ? undefined : 'must be the id of a correction',
);

export const CorrectionQuery = closedObject({
  limit: Type.Optional(
    wholeNumber({ minimum: 1, maximum: listMax }, { description: 'How many.', examples: [20] }),
  ),
  before: Type.Optional(correctionId),
  since: Type.Optional(time('Made or undone from then on.')),
  source: Type.Optional(attribute('Of events of this source.')),
  id: Type.Optional(attribute('Of events with this id.')),
});

const Correction = Type.Object({
  id: Type.String(),
  action: Type.Union([Type.Literal('void'), Type.Literal('amend')]),
  reason: Type.String(),
  event: Type.Object({ source: Type.String(), id: Type.String(), type: Type.String(), time: Type.String() }),
  amended: Type.Optional(
    Type.Object({ time: Type.String(), subject: Type.String(), data: Type.Optional(Type.Unknown()) }),
  ),
  correctedAt: Type.String({ format: 'date-time' }),
  correctedBy: Type.String({ description: 'key:<id of the API key>, or operator.' }),
  undoneAt: Type.Optional(Type.String({ format: 'date-time' })),
  undoneBy: Type.Optional(Type.String()),
});

const Effect = Type.Object({
  meter: Type.String({ description: 'Its slug.' }),
  events: Type.Object({ before: Type.Integer(), after: Type.Integer() }),
  sum: Type.Optional(
    Type.Object({ before: Type.String(), after: Type.String() }, { description: 'Of the values, exactly.' }),
  ),
});

const Corrected = Type.Object({
  events: Type.Integer({ description: 'How many events are corrected, or would be.' }),
  unchanged: Type.Integer({ description: 'Events that were corrected in the same way before.' }),
  dryRun: Type.Boolean(),
  effects: Type.Array(Effect, { description: 'What the events came to for each meter, and come to now.' }),
  corrections: Type.Array(Type.String(), { description: 'Ids; empty in a dry run.' }),
});

const tags = ['Corrections'];
const correction = {
  id: '7',
  action: 'void' as const,
  reason: 'sent twice by the importer under two ids',
  event: { source: 'chat-service', id: 'req-1', type: 'prompt', time: '2026-11-22T10:00:00Z' },
  correctedAt: '2026-11-23T09:00:00.000Z',
  correctedBy: 'key:01G65Z755AFWAKHE12NY0CQ9FH',
};

export const correctDetail = {
  tags,
  operationId: 'correctEvents',
  summary: 'Void or amend events',
  description:
    'Voids events (they stay, and count no more) or amends one (it keeps its identity, and counts with another time, subject or ' +
    'data). All answers are exact at once, of closed days too. A correction takes the place of the one before; doing the same again ' +
    'changes nothing. Events past EVENT_RETENTION_DAYS are gone and cannot be corrected.',
  requestBody: jsonRequest(Correct, {
    action: 'void',
    reason: 'sent twice by the importer under two ids',
    filter: {
      type: 'prompt',
      subject: 'customer-1',
      from: '2026-11-22T10:00:00Z',
      to: '2026-11-22T11:00:00Z',
    },
    dryRun: true,
  }),
  responses: {
    200: jsonResponse('What was corrected.', Corrected, {
      events: 1,
      unchanged: 0,
      dryRun: false,
      effects: [{ meter: 'tokens', events: { before: 1, after: 0 }, sum: { before: '1432', after: '0' } }],
      corrections: ['7'],
    }),
    ...problemResponses(400, 404, 413, 415, 503),
  },
};

export const listDetail = {
  tags,
  operationId: 'listCorrections',
  summary: 'List corrections',
  description: 'Those in force, undone and replaced, the newest first.',
  parameters: describedParameters(CorrectionQuery),
  responses: {
    200: jsonResponse('A page of corrections.', Type.Object({ items: Type.Array(Correction) }), {
      items: [correction],
    }),
    ...problemResponses(400),
  },
};

export const undoDetail = {
  tags,
  operationId: 'undoCorrection',
  summary: 'Undo a correction',
  description: 'The event counts again as it came. Undoing again changes nothing.',
  responses: {
    200: jsonResponse('The correction.', Correction, {
      ...correction,
      undoneAt: '2026-11-23T10:00:00.000Z',
      undoneBy: 'operator',
    }),
    ...problemResponses(404, 503),
  },
};
