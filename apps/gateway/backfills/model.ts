import { type Static, Type } from '@sinclair/typebox';
import { attributeBytesMax } from '@usage/lib/event/event.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { closedObject, flag, text, time, wholeNumber } from '@usage/lib/validation/schema.ts';

export const listMax = 100;
export const idPattern = /^[A-Za-z0-9][\w.:-]{0,63}$/;
const reasonLengthMax = 1_024;
const typesMax = 100;
const subjectsMax = 1_000;

const idText = (description: string) =>
  text({
    minLength: 1,
    maxLength: 64,
    description,
    pattern: idPattern.source,
    issue: (id) =>
      idPattern.test(id)
        ? undefined
        : 'must be letters, digits, _ . : and -, and begin with a letter or digit',
  });
const attribute = text({ minLength: 1, maxLength: attributeBytesMax, bytesMax: attributeBytesMax });

const Replaces = closedObject(
  {
    types: Type.Array(attribute, { minItems: 1, maxItems: typesMax, description: 'Types of the events.' }),
    subjects: Type.Optional(
      Type.Array(attribute, {
        minItems: 1,
        maxItems: subjectsMax,
        description: 'Subjects; all where left out.',
      }),
    ),
    from: time('Time of the events, inclusive.'),
    to: time('Time of the events, exclusive.'),
  },
  {
    description: 'The events that count no more once the backfill is closed: those that are stored by then.',
  },
);

export const NewBackfill = closedObject({
  id: idText('Names it in Usage-Backfill.'),
  reason: text({
    minLength: 1,
    maxLength: reasonLengthMax,
    description: 'Why, for those who read the list.',
  }),
  replaces: Type.Optional(Replaces),
});
export type NewBackfill = Static<typeof NewBackfill>;

export const Close = closedObject({
  dryRun: Type.Optional(flag({ description: 'Only says what closing it would come to.' })),
});

export const ListQuery = closedObject({
  limit: Type.Optional(
    wholeNumber({ minimum: 1, maximum: listMax }, { description: 'How many.', examples: [20] }),
  ),
  before: Type.Optional(idText('The last one of the page before.')),
});

const Backfill = Type.Object({
  id: Type.String(),
  reason: Type.String(),
  state: Type.Union([Type.Literal('open'), Type.Literal('closed'), Type.Literal('reverted')], {
    description: 'open: takes events, none counts. closed: they count. reverted: they count no more.',
  }),
  replaces: Type.Optional(
    Type.Object({
      types: Type.Array(Type.String()),
      subjects: Type.Optional(Type.Array(Type.String())),
      from: Type.String({ format: 'date-time' }),
      to: Type.String({ format: 'date-time' }),
    }),
  ),
  events: Type.Integer({ description: 'Stored under it until now.' }),
  closing: Type.Optional(
    Type.Object(
      {
        counted: Type.Integer({ description: 'Its events that count.' }),
        duplicates: Type.Integer({
          description: 'Its events whose source and id were stored outside as well.',
        }),
        replaced: Type.Integer({ description: 'Events that it put out of count.' }),
      },
      { description: 'What closing it came to.' },
    ),
  ),
  createdAt: Type.String({ format: 'date-time' }),
  createdBy: Type.String({ description: 'key:<id of the API key>, or operator.' }),
  closedAt: Type.Optional(Type.String({ format: 'date-time' })),
  closedBy: Type.Optional(Type.String()),
  revertedAt: Type.Optional(Type.String({ format: 'date-time' })),
  revertedBy: Type.Optional(Type.String()),
});

const tags = ['Corrections'];
const open = {
  id: 'november-again',
  reason: 'the exporter dropped a column',
  state: 'open' as const,
  replaces: {
    types: ['prompt'],
    from: '2026-11-01T00:00:00Z',
    to: '2026-11-02T00:00:00Z',
  },
  events: 1_432,
  createdAt: '2026-11-23T09:00:00.000Z',
  createdBy: 'key:01G65Z755AFWAKHE12NY0CQ9FH',
};
const closed = {
  ...open,
  state: 'closed' as const,
  closing: { counted: 1_432, duplicates: 0, replaced: 1_501 },
  closedAt: '2026-11-23T09:10:00.000Z',
  closedBy: 'operator',
};
const id = parameter('path', 'id', Type.String(), 'Of the backfill.', open.id);

export const createDetail = {
  tags,
  operationId: 'createBackfill',
  summary: 'Open a backfill',
  description:
    'Events that are sent to POST /api/v1/events with the header `Usage-Backfill: <id>` are stored and do not count until the ' +
    'backfill is closed. The same request again changes nothing.',
  requestBody: jsonRequest(NewBackfill, { id: open.id, reason: open.reason, replaces: open.replaces }),
  responses: {
    200: jsonResponse('The backfill.', Backfill, { ...open, events: 0 }),
    ...problemResponses(400, 409, 413, 415),
  },
};

export const listDetail = {
  tags,
  operationId: 'listBackfills',
  summary: 'List backfills, the newest first',
  parameters: describedParameters(ListQuery),
  responses: {
    200: jsonResponse('A page.', Type.Object({ items: Type.Array(Backfill) }), { items: [closed] }),
    ...problemResponses(400),
  },
};

export const getDetail = {
  tags,
  operationId: 'getBackfill',
  summary: 'Get a backfill',
  parameters: [id],
  responses: { 200: jsonResponse('The backfill.', Backfill, open), ...problemResponses(404) },
};

export const closeDetail = {
  tags,
  operationId: 'closeBackfill',
  summary: 'Close a backfill: its events count',
  description:
    'All at once, in every answer from then on; what it replaces counts no more from the same moment. Every event that was ' +
    'accepted before the request is in it. Closing again changes nothing.',
  parameters: [id],
  requestBody: { ...jsonRequest(Close, { dryRun: true }), required: false },
  responses: {
    200: jsonResponse('The backfill; of a dry run, as it would be.', Backfill, closed),
    ...problemResponses(400, 404, 409, 413, 415, 503),
  },
};

export const revertDetail = {
  tags,
  operationId: 'revertBackfill',
  summary: 'Revert a backfill: its events do not count',
  description:
    'All at once; what it replaced counts again. An open one takes no more events. Reverting again changes nothing.',
  parameters: [id],
  responses: {
    200: jsonResponse('The backfill.', Backfill, {
      ...closed,
      state: 'reverted',
      revertedAt: '2026-11-24T09:10:00.000Z',
      revertedBy: 'operator',
    }),
    ...problemResponses(400, 404, 409, 503),
  },
};
