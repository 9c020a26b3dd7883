import { Type } from '@sinclair/typebox';
import { parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { describedParameters } from '@usage/lib/http/parameters.ts';
import { meterFields } from '@usage/lib/meter/fields.ts';
import { aggregations } from '@usage/lib/meter/meter.ts';
import { sort, V3TextFilter } from '@usage/lib/queryApi/v3Filters.ts';
import { choice, closedObject, dictionary, text, wholeNumber } from '@usage/lib/validation/schema.ts';
import { ingestDetail } from '../events/model.ts';

/** OpenMeter's v3 wire format of meters (its api/v3/openapi.yaml). */

const pageSizeMax = 1_000;
export const pageSize = 100;

const labelPattern = '^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$';
const labelLengthMax = 63;
const label = new RegExp(labelPattern);
const labelReason = `must be 1 to ${labelLengthMax} letters and digits, with . _ - between them`;
const reserved = /^(?:_|kong|konnect|insomnia|mesh|kic|kuma|openmeter)/;

const labels = dictionary(
  text({
    minLength: 1,
    maxLength: labelLengthMax,
    pattern: labelPattern,
    issue: (value) => (label.test(value) ? undefined : labelReason),
  }),
  {
    entriesMax: 50,
    entries: 'labels',
    nameIssue: (name) => {
      if (name.length > labelLengthMax || !label.test(name)) return `the key ${labelReason}`;
      return reserved.test(name) ? 'the key begins with a word that is reserved' : undefined;
    },
    examples: [{ owner: 'billing' }],
  },
);

const name = text({ minLength: 1, maxLength: 256, description: 'Name for people.' });
const changeable = {
  description: meterFields.description,
  labels: Type.Optional(labels),
  dimensions: meterFields.groupBy,
};
const aggregation = choice(aggregations.map((one) => one.toLowerCase() as Lowercase<typeof one>));

export const V3MeterCreate = closedObject({
  key: meterFields.slug,
  name,
  aggregation,
  event_type: meterFields.eventType,
  events_from: meterFields.eventFrom,
  value_property: meterFields.valueProperty,
  value_expression: meterFields.valueExpression,
  time_unit: meterFields.timeUnit,
  filters: meterFields.filters,
  ...changeable,
});

export const V3MeterUpdate = closedObject(
  { name, ...changeable },
  {
    unknown: (field) =>
      Object.hasOwn(V3MeterCreate.properties, field)
        ? "can't be changed; make a new meter instead"
        : undefined,
  },
);

export const V3MeterListQuery = closedObject({
  page: Type.Optional(
    closedObject(
      {
        number: Type.Optional(wholeNumber({ minimum: 1, maximum: 1_000_000 })),
        size: Type.Optional(wholeNumber({ minimum: 1, maximum: pageSizeMax })),
      },
      { description: 'page[number] and page[size].' },
    ),
  ),
  sort: Type.Optional(
    sort(
      ['key', 'name', 'aggregation', 'created_at', 'updated_at'],
      'A field, and `asc` or `desc` after it.',
    ),
  ),
  filter: Type.Optional(
    closedObject(
      { key: Type.Optional(V3TextFilter), name: Type.Optional(V3TextFilter) },
      { description: 'filter[key][eq]=tokens, filter[name][contains]=token' },
    ),
  ),
});

const tags = ['OpenMeter v3'];
const meterId = parameter('path', 'meterId', Type.String(), 'Id or key.', 'tokens_total');
const createExample = {
  key: 'tokens',
  name: 'Tokens',
  aggregation: 'sum',
  event_type: 'prompt',
  value_property: '$.tokens',
};
const bodies = {
  create: [V3MeterCreate, createExample],
  update: [V3MeterUpdate, { name: 'Tokens', dimensions: { model: '$.model' } }],
} as const;

export function described(
  operationId: string,
  summary: string,
  takes: 'create' | 'update' | 'id' | 'page',
  success = 200,
) {
  const content =
    takes === 'create' || takes === 'update'
      ? { schema: bodies[takes][0] as unknown as Record<string, unknown>, example: bodies[takes][1] }
      : undefined;
  const inPath = takes === 'id' || takes === 'update' ? [meterId] : [];
  return {
    tags,
    operationId,
    summary,
    parameters: takes === 'page' ? describedParameters(V3MeterListQuery) : inPath,
    ...(content && { requestBody: { required: true, content: { 'application/json': content } } }),
    responses: {
      [success]: { description: 'As OpenMeter’s v3 answers.' },
      ...problemResponses(400, 404, 409, 413, 415),
    },
  };
}

export const v3IngestDetail = {
  ...ingestDetail,
  tags,
  operationId: 'v3IngestEvents',
  summary: 'Ingest events (v3)',
  description: `${ingestDetail.description} An event without specversion is one of 1.0.`,
  responses: { ...ingestDetail.responses, 202: { description: 'Every event is kept.' } },
};
