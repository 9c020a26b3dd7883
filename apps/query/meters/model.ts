import { Type } from '@sinclair/typebox';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { windowSizes } from '@usage/lib/windows/windows.ts';
import { customersMax, groupByMax, subjectsMax } from './params.ts';

/** What /swagger says about the routes; requests are read by params.ts, which names every fault. */

const time = (description: string) => Type.String({ format: 'date-time', description });
const TextFilter = Type.Object(
  {
    $eq: Type.Optional(Type.String()),
    $ne: Type.Optional(Type.String()),
    $in: Type.Optional(Type.Array(Type.String())),
    $nin: Type.Optional(Type.Array(Type.String())),
    $like: Type.Optional(
      Type.String({ description: '% is any text, _ any character, \\ takes the next as it is.' }),
    ),
    $nlike: Type.Optional(Type.String()),
    $ilike: Type.Optional(Type.String({ description: '$like without regard to case.' })),
    $nilike: Type.Optional(Type.String()),
    $gt: Type.Optional(Type.String({ description: 'Comparisons are by Unicode code point.' })),
    $gte: Type.Optional(Type.String()),
    $lt: Type.Optional(Type.String()),
    $lte: Type.Optional(Type.String()),
    $and: Type.Optional(Type.Array(Type.Unknown(), { description: 'Filters that must all pass.' })),
    $or: Type.Optional(Type.Array(Type.Unknown(), { description: 'Filters of which one must pass.' })),
  },
  { description: 'One operator an object.' },
);

const fields = {
  from: Type.Optional(time('Inclusive. To the microsecond; not rounded to the window.')),
  to: Type.Optional(time('Exclusive.')),
  windowSize: Type.Optional(
    Type.String({
      enum: [...windowSizes],
      description: 'One row a window and group; without it one row a group.',
    }),
  ),
  windowTimeZone: Type.Optional(
    Type.String({ default: 'UTC', description: 'IANA name.', examples: ['Europe/Berlin'] }),
  ),
  windowAnchor: Type.Optional(
    Type.String({
      description:
        'Local date, or date and time, at which a window begins: billing periods. For windows of DAY or longer.',
      examples: ['2026-01-31', '2026-01-15T06:00'],
    }),
  ),
  subject: Type.Optional(
    Type.Array(Type.String(), { maxItems: subjectsMax, description: 'Filters and groups by subject.' }),
  ),
  filterCustomerId: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: customersMax,
      description: 'Ids of customers: the usage of their subjects, added up by customer.',
    }),
  ),
  groupBy: Type.Optional(
    Type.Array(Type.String(), {
      maxItems: groupByMax,
      description: 'Group-by names of the meter, or `subject`, or `customer_id` (with filterCustomerId).',
    }),
  ),
  filterGroupBy: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
  advancedMeterGroupByFilters: Type.Optional(Type.Record(Type.String(), TextFilter)),
  clientId: Type.Optional(Type.String({ minLength: 1, maxLength: 36, description: 'Taken and not used.' })),
};
const QueryBody = Type.Object(fields);

const QueryResult = Type.Object({
  from: Type.Optional(Type.String()),
  to: Type.Optional(Type.String()),
  windowSize: Type.Optional(Type.String()),
  data: Type.Array(
    Type.Object({
      value: Type.Number({ description: 'The nearest double to the exact value.' }),
      valueExact: Type.Optional(
        Type.String({ description: 'The exact value, where a double does not hold it.' }),
      ),
      windowStart: Type.String(),
      windowEnd: Type.String(),
      subject: Type.Union([Type.String(), Type.Null()]),
      customerId: Type.Optional(Type.String()),
      groupBy: Type.Record(Type.String(), Type.String()),
    }),
    { description: 'Ordered by windowStart, subject, then group values in the order of groupBy.' },
  ),
});

const tags = ['Meters'];
const meter = parameter('path', 'meterIdOrSlug', Type.String(), 'The meter’s id or slug.', 'tokens_total');
const freshness = {
  'Usage-As-Of': {
    description: 'All events accepted before this time are in the answer. Missing while Redis is away.',
    schema: { type: 'string', format: 'date-time' },
  },
  'Usage-Events-Waiting': {
    description: 'Events accepted since and not stored yet.',
    schema: { type: 'integer' },
  },
} as const;
const resultExample = {
  from: '2025-01-01T00:00:00Z',
  to: '2025-01-02T00:00:00Z',
  windowSize: 'DAY',
  data: [
    {
      value: 1432,
      windowStart: '2025-01-01T00:00:00Z',
      windowEnd: '2025-01-02T00:00:00Z',
      subject: 'customer-1',
      groupBy: { model: 'gpt-4o' },
    },
  ],
};
const queried = jsonResponse('The usage; `[]` where there is none.', QueryResult, resultExample);
const responses = {
  200: {
    ...queried,
    headers: freshness,
    content: {
      ...queried.content,
      'text/csv': {
        schema: { type: 'string' as const },
        example:
          'window_start,window_end,subject,model,value\r\n2025-01-01T00:00:00Z,2025-01-02T00:00:00Z,customer-1,gpt-4o,1432\r\n',
      },
    },
  },
  ...problemResponses(400, 404),
};
const description =
  'Exact to the last event stored, aggregated or not. `Accept: text/csv` gives a table, its values in full.';

export const queryDetail = {
  tags,
  operationId: 'queryMeter',
  summary: 'Query usage',
  description,
  parameters: [
    meter,
    parameter('query', 'from', fields.from, 'Inclusive.', '2025-01-01T00:00:00Z'),
    parameter('query', 'to', fields.to, 'Exclusive.', '2025-01-02T00:00:00Z'),
    parameter('query', 'windowSize', fields.windowSize, 'Without it one row a group.', 'DAY'),
    parameter('query', 'windowTimeZone', fields.windowTimeZone, 'IANA name.', 'UTC'),
    parameter('query', 'windowAnchor', fields.windowAnchor, 'Begin of a billing period, local.'),
    parameter('query', 'subject', fields.subject, 'Repeated for several; filters and groups.'),
    parameter(
      'query',
      'filterCustomerId',
      fields.filterCustomerId,
      'Repeated for several; filters and groups.',
    ),
    {
      ...parameter('query', 'filterGroupBy', fields.filterGroupBy, 'filterGroupBy[model]=gpt-4o'),
      style: 'deepObject' as const,
    },
    parameter('query', 'advancedMeterGroupByFilters', Type.String(), 'JSON: {"model": {"$like": "gpt-%"}}'),
    parameter('query', 'groupBy', fields.groupBy, 'Repeated for several.'),
    parameter('query', 'clientId', fields.clientId, 'Taken and not used.'),
  ],
  responses,
};

export const queryPostDetail = {
  tags,
  operationId: 'queryMeterPost',
  summary: 'Query usage, with the parameters in a body',
  description,
  parameters: [meter],
  requestBody: jsonRequest(QueryBody, {
    from: '2025-01-01T00:00:00Z',
    to: '2025-01-02T00:00:00Z',
    windowSize: 'DAY',
    subject: ['customer-1'],
    groupBy: ['model'],
    filterGroupBy: { model: ['gpt-4o', 'gpt-4o-mini'] },
  }),
  responses: { ...responses, ...problemResponses(413, 415) },
};

const range = [
  parameter('query', 'from', fields.from, 'Inclusive.'),
  parameter('query', 'to', fields.to, 'Exclusive.'),
];

export const subjectsDetail = {
  tags,
  operationId: 'listMeterSubjects',
  summary: 'List the subjects with usage',
  parameters: [meter, ...range],
  responses: {
    200: jsonResponse('Their keys, sorted.', Type.Array(Type.String()), ['customer-1', 'customer-2']),
    ...problemResponses(400, 404),
  },
};

export const groupValuesDetail = {
  tags,
  operationId: 'listMeterGroupByValues',
  summary: 'List the values of a group',
  description: 'Of the last 24 hours where neither from nor to is given.',
  parameters: [
    meter,
    parameter('path', 'groupByKey', Type.String(), 'Group-by name of the meter.', 'model'),
    ...range,
  ],
  responses: {
    200: jsonResponse('The values, sorted.', Type.Array(Type.String()), ['gpt-4o', 'gpt-4o-mini']),
    ...problemResponses(400, 404),
  },
};
