import { type Static, Type } from '@sinclair/typebox';
import { eventFiltersMax } from '@usage/lib/meter/eventFilters.ts';
import { expressionLengthMax } from '@usage/lib/meter/expression.ts';
import { metadataKeysMax, metadataValueLengthMax } from '@usage/lib/meter/fields.ts';
import { aggregations } from '@usage/lib/meter/meter.ts';
import {
  descriptionLengthMax,
  groupByKeysMax,
  groupByPattern,
  nameLengthMax,
  slugLengthMax,
  slugPattern,
} from '@usage/lib/meter/rules.ts';

/** OpenMeter's wire format of meters (its api/openapi.yaml). */

export const meterPageSizeMax = 1_000;

export const meterOrders = ['key', 'name', 'aggregation', 'createdAt', 'updatedAt'] as const;

const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-11-22T10:00:00.123Z'] });

const changeable = {
  name: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: nameLengthMax,
      description: 'Name for people; the slug when it is left out.',
    }),
  ),
  description: Type.Optional(Type.String({ minLength: 1, maxLength: descriptionLengthMax })),
  groupBy: Type.Optional(
    Type.Record(Type.String({ pattern: groupByPattern }), Type.String({ pattern: '^\\$' }), {
      maxProperties: groupByKeysMax,
      description:
        'What usage can be grouped and filtered by: names to JSONPaths into the event data. ' +
        'Every path leads to one value, like $.model, $.user.plan or $["a b"][0].',
      examples: [{ model: '$.model' }],
    }),
  ),
  metadata: Type.Optional(
    Type.Union(
      [
        Type.Record(Type.String(), Type.String({ maxLength: metadataValueLengthMax }), {
          maxProperties: metadataKeysMax,
        }),
        Type.Null(),
      ],
      { description: 'Texts of your own by name.', examples: [{ owner: 'billing' }] },
    ),
  ),
};

const fixed = {
  slug: Type.String({
    minLength: 1,
    maxLength: slugLengthMax,
    pattern: slugPattern,
    description: 'Names the meter in queries; unique in the namespace.',
    examples: ['tokens_total'],
  }),
  eventType: Type.String({
    minLength: 1,
    description: 'The type of the events it takes.',
    examples: ['prompt'],
  }),
  eventFrom: Type.Optional(time('Events before it do not count.')),
  aggregation: Type.Union(
    aggregations.map((aggregation) => Type.Literal(aggregation)),
    { description: 'What the events of a window come to.', examples: ['SUM'] },
  ),
  valueProperty: Type.Optional(
    Type.String({
      minLength: 1,
      pattern: '^\\$',
      description:
        'JSONPath of the value in the event data: a number or a text that is one. Required but for COUNT, ' +
        'where it is not allowed.',
      examples: ['$.tokens'],
    }),
  ),
  valueExpression: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: expressionLengthMax,
      description:
        'Arithmetic over JSONPaths in the place of valueProperty: + - * / ( ), abs, floor, ceil, min, max, and ' +
        'time($.path) for an RFC 3339 time in seconds. Exact decimals; quotients are rounded to 19 decimals.',
      examples: ['($.ended - $.started) * $.replicas / 3600'],
    }),
  ),
  filters: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      maxProperties: eventFiltersMax,
      description:
        'Which events of the type count: JSONPaths into data, or names of attributes, with the filters that queries ' +
        'have. All must pass.',
      examples: [{ '$.status': { $eq: 'ok' }, source: { $like: 'eu-%' } }],
    }),
  ),
};

export const MeterCreate = Type.Object({ ...fixed, ...changeable }, { additionalProperties: false });

export const MeterUpdate = Type.Object(changeable, {
  additionalProperties: false,
  description:
    'Replaces the fields: what is left out goes back to its default, but for the description, which stays. ' +
    'Changing groupBy rebuilds the meter from the events that are kept: usage older than the oldest kept event ' +
    '(EVENT_RETENTION_DAYS) is lost; make a new meter instead. Queries read the events until the rebuild is done.',
});

export const Meter = Type.Object({
  id: Type.String({ description: 'ULID', examples: ['01G65Z755AFWAKHE12NY0CQ9FH'] }),
  ...fixed,
  ...changeable,
  createdAt: time('When it was created.'),
  updatedAt: time('When it was last changed.'),
  deletedAt: Type.Optional(time('When it was deleted.')),
});
export type Meter = Static<typeof Meter>;

const described = {
  slug: 'tokens_total',
  name: 'Tokens',
  description: 'AI tokens by model',
  eventType: 'prompt',
  aggregation: 'SUM' as const,
  valueProperty: '$.tokens',
  groupBy: { model: '$.model' },
};

export const createExample = described;
export const updateExample = { name: 'Tokens', groupBy: { model: '$.model', type: '$.type' } };
export const meterExample: Meter = {
  id: '01G65Z755AFWAKHE12NY0CQ9FH',
  ...described,
  createdAt: '2026-11-22T10:00:00.123Z',
  updatedAt: '2026-11-22T10:00:00.123Z',
};
