import { Type } from '@sinclair/typebox';
import { TextFilterJson, TimeFilterJson } from '../filter/schema.ts';
import { jsonResponse, problemResponses } from '../http/documentation.ts';
import { describedParameters, jsonText } from '../http/parameters.ts';
import { closedObject, judged, text, time as timeField, wholeNumber } from '../validation/schema.ts';
import { clientId, customersMax, texts } from './meterQuery.ts';
import { sort, V3IdFilter, V3TextFilter, V3TimeFilter } from './v3Filters.ts';

/** OpenMeter's wire format of event lists (its api/openapi.yaml), and what /swagger of gateway and query service says. */

export const eventsMax = 100;
const textLengthMax = 1_024;
const cursorLengthMax = 8_192;

const limit = Type.Optional(
  wholeNumber({ minimum: 1, maximum: eventsMax }, { default: eventsMax, description: 'Events at most.' }),
);
const part = (description: string) =>
  Type.Optional(text({ minLength: 1, maxLength: textLengthMax, description }));

const sorted = Type.Optional(
  sort(
    ['time', 'ingestedAt', 'storedAt'],
    'By what the list is ordered: the time of the event, its arrival, or when it was stored; the latest first, or `asc` after ' +
      'the field.',
  ),
);

export const EventListParameters = closedObject({
  ingestedAtFrom: Type.Optional(timeField('Arrival, inclusive.')),
  ingestedAtTo: Type.Optional(timeField('Arrival, exclusive.')),
  from: Type.Optional(timeField('Time of the event, inclusive; 72 hours ago where it is left out.')),
  to: Type.Optional(timeField('Time of the event, exclusive.')),
  id: part('Part of the id.'),
  subject: part('Part of the subject.'),
  sort: sorted,
  limit,
  customerId: Type.Optional(
    texts({ min: 1, max: customersMax }, 'Ids of customers: the events of their subjects.'),
  ),
  clientId: Type.Optional(clientId),
});

const ids = texts({ max: customersMax }, 'Ids of customers.');
const CustomerFilter = closedObject(
  { $eq: Type.Optional(text({ maxLength: textLengthMax })), $in: Type.Optional(ids) },
  { minProperties: 1 },
);

const EventFilter = closedObject(
  {
    id: Type.Optional(TextFilterJson),
    source: Type.Optional(TextFilterJson),
    subject: Type.Optional(TextFilterJson),
    type: Type.Optional(TextFilterJson),
    time: Type.Optional(TimeFilterJson),
    ingestedAt: Type.Optional(TimeFilterJson),
    customerId: Type.Optional(CustomerFilter),
  },
  {
    description: 'JSON with filters on id, source, subject, type, time, ingestedAt and customerId.',
    examples: ['{"subject": {"$eq": "customer-1"}, "time": {"$gte": "2025-01-01T00:00:00Z"}}'],
  },
);

export const EventPageParameters = closedObject({
  cursor: Type.Optional(
    text({ maxLength: cursorLengthMax, description: '`nextCursor` of the page before.' }),
  ),
  limit,
  sort: sorted,
  clientId: Type.Optional(clientId),
  filter: Type.Optional(jsonText(EventFilter)),
});

const time = Type.String({ format: 'date-time' });
const Ingested = Type.Object({
  event: Type.Object({
    specversion: Type.Literal('1.0'),
    id: Type.String(),
    source: Type.String(),
    type: Type.String(),
    subject: Type.String(),
    time,
    data: Type.Optional(Type.Object({}, { additionalProperties: true })),
  }),
  ingestedAt: time,
  storedAt: time,
  correction: Type.Optional(
    Type.Object(
      { id: Type.String(), action: Type.String(), reason: Type.String(), correctedAt: Type.String() },
      { description: 'Why it counts no more, or otherwise than it came: see /api/v1/corrections.' },
    ),
  ),
  backfill: Type.Optional(
    Type.Object(
      { id: Type.String(), state: Type.String() },
      { description: 'It was sent under it, and counts only while that is closed: see /api/v1/backfills.' },
    ),
  ),
  validationError: Type.Optional(
    Type.String({ description: 'Why it does not count for a meter of its type.' }),
  ),
});
const example = {
  event: {
    specversion: '1.0',
    id: '5c10fade-1c9e-4d6c-8275-c52c36731d3c',
    source: 'my-app',
    type: 'prompt',
    subject: 'customer-1',
    time: '2025-01-01T00:00:00Z',
    data: { tokens: '1432x', model: 'gpt-4o' },
  },
  ingestedAt: '2025-01-01T00:00:01.123Z',
  storedAt: '2025-01-01T00:00:01.2Z',
  validationError: 'invalid event: value cannot be parsed as a number: 1432x',
};

export const listDetail = {
  tags: ['Events'],
  operationId: 'listEvents',
  summary: 'List events, the latest first',
  description: 'By their time, then source and id; `sort` says otherwise. Data stands as it came.',
  parameters: describedParameters(EventListParameters),
  responses: {
    200: jsonResponse('The events.', Type.Array(Ingested), [example]),
    ...problemResponses(400),
  },
};

export const cursorDetail = {
  tags: ['Events'],
  operationId: 'listEventsV2',
  summary: 'List events, page by page',
  description: 'The same order as v1. A page goes on after the cursor, whatever was stored since.',
  parameters: describedParameters(EventPageParameters),
  responses: {
    200: jsonResponse(
      'A page. `nextCursor` is there when it is full.',
      Type.Object({ items: Type.Array(Ingested), nextCursor: Type.Optional(Type.String()) }),
      { items: [example], nextCursor: 'WzE3MzU2ODk2MDExMjMwMDAsIm15LWFwcCIsIjEiXQ' },
    ),
    ...problemResponses(400),
  },
};

const v3SizeMax = 100;
export const v3SizeDefault = 20;

export const V3EventListParameters = closedObject({
  page: Type.Optional(
    closedObject(
      {
        size: Type.Optional(wholeNumber({ minimum: 1, maximum: v3SizeMax }, { default: v3SizeDefault })),
        after: Type.Optional(text({ minLength: 1, maxLength: cursorLengthMax })),
        before: Type.Optional(judged<never>({ type: 'string' }, () => 'is not supported: pages go forward')),
      },
      { description: 'page[size], and page[after] with `meta.page.next` of the page before.' },
    ),
  ),
  filter: Type.Optional(
    closedObject(
      {
        id: Type.Optional(V3TextFilter),
        source: Type.Optional(V3TextFilter),
        subject: Type.Optional(V3TextFilter),
        type: Type.Optional(V3TextFilter),
        customer_id: Type.Optional(V3IdFilter),
        time: Type.Optional(V3TimeFilter),
        ingested_at: Type.Optional(V3TimeFilter),
        stored_at: Type.Optional(V3TimeFilter),
      },
      { description: 'filter[subject][eq]=customer-1, filter[time][gte]=2025-01-01T00:00:00Z' },
    ),
  ),
  sort: Type.Optional(
    sort(
      ['time', 'ingested_at', 'stored_at'],
      'By what the list is ordered, the latest first where no direction is given.',
    ),
  ),
});

const V3Event = Type.Object({
  event: Ingested.properties.event,
  ingested_at: time,
  stored_at: time,
  validation_errors: Type.Optional(Type.Array(Type.Object({ code: Type.String(), message: Type.String() }))),
});
const cursor = Type.Union([Type.String(), Type.Null()]);
export const v3EventListDetail = {
  tags: ['OpenMeter v3'],
  operationId: 'v3ListEvents',
  summary: 'List events (v3)',
  parameters: describedParameters(V3EventListParameters),
  responses: {
    200: jsonResponse(
      'A page. `meta.page.next` is there when it is full.',
      Type.Object({
        data: Type.Array(V3Event),
        meta: Type.Object({
          page: Type.Object({
            first: Type.Optional(Type.String()),
            last: Type.Optional(Type.String()),
            next: cursor,
            previous: cursor,
            size: Type.Integer(),
          }),
        }),
      }),
      {
        data: [{ event: example.event, ingested_at: example.ingestedAt, stored_at: example.storedAt }],
        meta: { page: { next: null, previous: null, size: 20 } },
      },
    ),
    ...problemResponses(400),
  },
};
