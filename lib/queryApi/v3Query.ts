import { Type } from '@sinclair/typebox';
import type { TextFilter } from '../filter/textFilter.ts';
import { parameter, problemResponses } from '../http/documentation.ts';
import { nearestName } from '../validation/nearest.ts';
import { choice, closedObject, dictionary, judged, time } from '../validation/schema.ts';
import { isJsonObject } from '../validation/text.ts';
import type { WindowSize } from '../windows/windows.ts';
import { groupByMax, texts, timeZone } from './meterQuery.ts';

/** OpenMeter's v3 wire format of meter queries (its api/v3/openapi.yaml). */

/** v3's words for the sizes of windows, and ours. */
export const granularities = {
  PT1M: 'MINUTE',
  PT5M: 'PT5M',
  PT15M: 'PT15M',
  PT30M: 'PT30M',
  PT1H: 'HOUR',
  PT3H: 'PT3H',
  PT6H: 'PT6H',
  PT12H: 'PT12H',
  P1D: 'DAY',
  P1W: 'WEEK',
  P1M: 'MONTH',
  P3M: 'QUARTER',
  P1Y: 'YEAR',
} as const satisfies Record<string, WindowSize>;
type Granularity = keyof typeof granularities;
const valuesMax = 100;
const filtersMax = 10;
const nestingMax = 5;
const textLengthMax = 1_024;

const operators = ['eq', 'neq', 'in', 'nin', 'contains', 'ncontains', 'exists', 'and', 'or'] as const;

const DimensionFilter = judged<Record<string, unknown>>(
  {
    type: 'object',
    properties: {
      ...Object.fromEntries(['eq', 'neq', 'contains', 'ncontains'].map((name) => [name, { type: 'string' }])),
      ...Object.fromEntries(
        ['in', 'nin'].map((name) => [
          name,
          { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: valuesMax },
        ]),
      ),
      ...Object.fromEntries(
        ['and', 'or'].map((name) => [
          name,
          { type: 'array', items: { type: 'object' }, minItems: 1, maxItems: filtersMax },
        ]),
      ),
      exists: { type: 'boolean' },
    },
    description: 'One operator an object. Of subject and customer_id eq or in.',
  },
  (value) => {
    try {
      readDimensionFilter(value);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  },
);

const dimensions = dictionary(DimensionFilter, {
  entriesMax: groupByMax,
  entries: 'filters',
});

export const V3QueryBody = closedObject({
  from: Type.Optional(time('Inclusive.')),
  to: Type.Optional(time('Exclusive.')),
  granularity: Type.Optional(choice(Object.keys(granularities) as Granularity[])),
  time_zone: Type.Optional(timeZone),
  group_by_dimensions: Type.Optional(
    texts({ max: groupByMax }, 'Dimensions of the meter, or `subject`, or `customer_id`.'),
  ),
  filters: Type.Optional(closedObject({ dimensions: Type.Optional(dimensions) })),
});

/** Throws an Error whose message continues the field's name. */
export function readDimensionFilter(json: unknown, depth = 0): TextFilter {
  if (!isJsonObject(json)) throw new Error('expected an object such as {"eq": "a"}');
  if (depth > nestingMax) throw new Error(`filters are nested deeper than ${nestingMax}`);
  const [entry, ...more] = Object.entries(json);
  if (!entry || more.length > 0) throw new Error('must have one operator');
  const [operator, value] = entry;
  switch (operator) {
    case 'eq':
      return { operator, value: textOf(operator, value) };
    case 'neq':
      return { operator: 'ne', value: textOf(operator, value) };
    case 'in':
    case 'nin':
      return { operator, values: listOf(operator, value, valuesMax).map((one) => textOf(operator, one)) };
    case 'contains':
      return { operator: 'like', value: `%${escaped(textOf(operator, value))}%` };
    case 'ncontains':
      return { operator: 'nlike', value: `%${escaped(textOf(operator, value))}%` };
    case 'exists':
      if (typeof value !== 'boolean') throw new Error('exists must be true or false');
      // An event without the dimension counts with the empty text.
      return { operator: value ? 'ne' : 'eq', value: '' };
    case 'and':
    case 'or': {
      const filters = listOf(operator, value, filtersMax).map((one) => readDimensionFilter(one, depth + 1));
      return { operator, filters };
    }
    default: {
      const near = nearestName(operator, operators);
      const shown = operator.slice(0, 32).toWellFormed();
      throw new Error(
        `${shown} is no operator; ${near ? `did you mean ${near}?` : `known are ${operators.join(', ')}`}`,
      );
    }
  }
}

function textOf(operator: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${operator} must be a text`);
  if (value.length > textLengthMax) throw new Error(`${operator} is longer than ${textLengthMax} characters`);
  if (value.includes('\0') || !value.isWellFormed())
    throw new Error(`${operator} holds NUL or half a surrogate pair`);
  return value;
}

function listOf(operator: string, value: unknown, max: number): unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
  throw new Error(
    `${operator} must be a list of 1 to ${max} ${operator.endsWith('in') ? 'texts' : 'filters'}`,
  );
}

/** For a pattern of $like. */
export function escaped(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

export const v3QueryDetail = {
  tags: ['OpenMeter v3'],
  operationId: 'v3QueryMeter',
  summary: 'Query usage (v3)',
  description: '`Accept: text/csv` gives a table.',
  parameters: [parameter('path', 'meterId', Type.String(), 'Id or key.', 'tokens_total')],
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: V3QueryBody as unknown as Record<string, unknown>,
        example: {
          granularity: 'P1D',
          time_zone: 'UTC',
          filters: { dimensions: { model: { eq: 'gpt-5' } } },
        },
      },
    },
  },
  responses: {
    200: { description: 'The usage; values are exact, as texts.' },
    ...problemResponses(400, 404, 413, 415),
  },
};
