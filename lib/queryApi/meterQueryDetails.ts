import { Type } from '@sinclair/typebox';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '../http/documentation.ts';
import { describedParameters } from '../http/parameters.ts';
import {
  MeterQueryBody,
  MeterQueryParameters,
  PortalQueryParameters,
  RangeParameters,
} from './meterQuery.ts';

/** What /swagger of gateway and query service says about meter queries. */

const QueryResult = Type.Object({
  from: Type.Optional(Type.String()),
  to: Type.Optional(Type.String()),
  windowSize: Type.Optional(Type.String()),
  nextCursor: Type.Optional(Type.String({ description: 'With a limit, where there are more rows.' })),
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
      other: Type.Optional(Type.Boolean({ description: 'All groups beyond topN together.' })),
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
  'Usage-Next-Cursor': {
    description: 'With a limit, where there are more rows: `cursor` of the next page.',
    schema: { type: 'string' },
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
      'application/x-ndjson': {
        schema: { type: 'string' as const, description: 'A row of `data` a line.' },
      },
      'application/vnd.apache.parquet': {
        schema: {
          type: 'string' as const,
          format: 'binary',
          description: 'The columns of the CSV; `value` is a double, `value_exact` the exact value as text.',
        },
      },
    },
  },
  ...problemResponses(400, 404),
};
const description =
  'Exact to the last event stored, aggregated or not. `Accept: text/csv` gives a table, its values in full; ' +
  '`application/x-ndjson` a row a line, `application/vnd.apache.parquet` a Parquet file. `limit` and `cursor` give an answer page by ' +
  'page, `valueGte` and its like leave rows out by their value.';

export const queryDetail = {
  tags,
  operationId: 'queryMeter',
  summary: 'Query usage',
  description,
  parameters: [meter, ...describedParameters(MeterQueryParameters)],
  responses,
};

export const queryPostDetail = {
  tags,
  operationId: 'queryMeterPost',
  summary: 'Query usage, with the parameters in a body',
  description,
  parameters: [meter],
  requestBody: jsonRequest(MeterQueryBody, {
    from: '2025-01-01T00:00:00Z',
    to: '2025-01-02T00:00:00Z',
    windowSize: 'DAY',
    subject: ['customer-1'],
    groupBy: ['model'],
    filterGroupBy: { model: ['gpt-4o', 'gpt-4o-mini'] },
  }),
  responses: { ...responses, ...problemResponses(413, 415) },
};

export const subjectsDetail = {
  tags,
  operationId: 'listMeterSubjects',
  summary: 'List the subjects with usage',
  parameters: [meter, ...describedParameters(RangeParameters)],
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
    ...describedParameters(RangeParameters),
  ],
  responses: {
    200: jsonResponse('The values, sorted.', Type.Array(Type.String()), ['gpt-4o', 'gpt-4o-mini']),
    ...problemResponses(400, 404),
  },
};

export const portalQueryDetail = {
  ...queryDetail,
  tags: ['Portal'],
  operationId: 'queryPortalMeter',
  summary: 'Query the usage of a portal token’s subject',
  description: 'Callable from web pages. The token decides whose usage it is.',
  parameters: [{ ...meter, name: 'meterSlug' }, ...describedParameters(PortalQueryParameters)],
  security: [{ portalToken: [] }],
};
