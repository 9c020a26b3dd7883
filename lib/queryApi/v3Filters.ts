import { parseTimeUs, timeIssue } from '../event/time.ts';
import type { TextFilter } from '../filter/textFilter.ts';
import type { TimeFilter } from '../filter/timeFilter.ts';
import { nearestName } from '../validation/nearest.ts';
import { judged } from '../validation/schema.ts';
import { isJsonObject, textIssue } from '../validation/text.ts';
import { escaped } from './v3Query.ts';

/**
 * OpenMeter's v3 filters of lists, as they come from a query: filter[subject][eq]=a as {"eq": "a"}, and filter[subject]=a as
 * "a", which means the same. Several operators must all pass.
 */

const textOperators = [
  'eq',
  'neq',
  'gt',
  'gte',
  'lt',
  'lte',
  'contains',
  'oeq',
  'ocontains',
  'exists',
  'nexists',
] as const;
const timeOperators = ['eq', 'gt', 'gte', 'lt', 'lte'] as const;
const valueLengthMax = 1_024;
const itemsMax = 50;

const shownOperators = (names: readonly string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
});

export const V3TextFilter = judged<unknown>(shownOperators(textOperators), (value) =>
  messageOf(() => readV3TextFilter(value)),
);
export const V3TimeFilter = judged<unknown>(shownOperators(timeOperators), (value) =>
  messageOf(() => readV3TimeFilter(value)),
);
/** Of ids of customers: eq, or oeq with commas. */
export const V3IdFilter = judged<unknown>(shownOperators(['eq', 'oeq']), (value) =>
  messageOf(() => readV3IdFilter(value)),
);

/** Throws an Error whose message continues the field's name. */
export function readV3TextFilter(given: unknown): TextFilter {
  return allOf(operatorsOf(given, textOperators).map(([operator, value]) => textFilter(operator, value)));
}

/** Throws an Error whose message continues the field's name. */
export function readV3TimeFilter(given: unknown): TimeFilter {
  return allOf(
    operatorsOf(given, timeOperators).flatMap(([operator, value]) => timeFilters(operator, value)),
  );
}

/** Throws an Error whose message continues the field's name. */
export function readV3IdFilter(given: unknown): string[] {
  const [first, ...more] = operatorsOf(given, ['eq', 'oeq']);
  if (more.length > 0) throw new Error('takes eq or oeq');
  const [operator, value] = first!;
  return operator === 'eq' ? [value] : itemsOf(value);
}

function allOf<T>(filters: T[]): T | { operator: 'and'; filters: T[] } {
  return filters.length === 1 ? filters[0]! : { operator: 'and', filters };
}

function operatorsOf(given: unknown, known: readonly string[]): [string, string][] {
  // OpenMeter reads filter[field]= as exists, and answers everybody's events to whoever has no subject.
  if (given === '') throw new Error('must not be empty: write [exists]=true, or leave it out to ask for all');
  const entries = typeof given === 'string' ? [['eq', given]] : Object.entries(given ?? {});
  if (!(typeof given === 'string' || isJsonObject(given)) || entries.length === 0)
    throw new Error('is written as filter[field][operator]=value');
  return entries.map(([operator, value]) => {
    if (!known.includes(operator as string)) throw unknownOperator(String(operator), known);
    if (Array.isArray(value)) throw new Error(`${operator} is given more than once`);
    const issue = textIssue(value, { min: 0, max: valueLengthMax });
    if (issue) throw new Error(`${operator} ${issue}`);
    return [operator as string, value as string];
  });
}

function unknownOperator(operator: string, known: readonly string[]): Error {
  const near = nearestName(operator, known);
  const shown = operator.slice(0, 32).toWellFormed();
  return new Error(
    `${shown} is no operator; ${near ? `did you mean ${near}?` : `known are ${known.join(', ')}`}`,
  );
}

function textFilter(operator: string, value: string): TextFilter {
  switch (operator) {
    case 'neq':
      return { operator: 'ne', value };
    case 'contains':
      return { operator: 'like', value: `%${escaped(value)}%` };
    case 'oeq':
      return { operator: 'in', values: itemsOf(value) };
    case 'ocontains':
      return {
        operator: 'or',
        filters: itemsOf(value).map((item) => ({ operator: 'like', value: `%${escaped(item)}%` })),
      };
    case 'exists':
    case 'nexists':
      // The fields of events and meters that can be filtered always have a text.
      return { operator: flagOf(operator, value) === (operator === 'exists') ? 'nin' : 'in', values: [] };
    default:
      return { operator: operator as 'eq' | 'gt' | 'gte' | 'lt' | 'lte', value };
  }
}

function timeFilters(operator: string, value: string): TimeFilter[] {
  const us = parseTimeUs(value);
  if (us === undefined) throw new Error(`${operator}: ${timeIssue(value)}`);
  if (operator !== 'eq') return [{ operator: operator as 'gt' | 'gte' | 'lt' | 'lte', us }];
  return [
    { operator: 'gte', us },
    { operator: 'lte', us },
  ];
}

function itemsOf(value: string): string[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.some((item) => item === '')) throw new Error('has an empty value between commas');
  if (items.length > itemsMax) throw new Error(`has more than ${itemsMax} values`);
  return items;
}

/** exists= means exists=true. */
function flagOf(operator: string, value: string): boolean {
  if (value === '' || value === 'true') return true;
  if (value === 'false') return false;
  throw new Error(`${operator} must be true or false`);
}

export interface Sort<T extends string> {
  by: T;
  ascending: boolean;
}

/** `field`, `field asc` or `field desc`. */
export function sort<const T extends string>(fields: readonly T[], description: string) {
  const shown = { type: 'string', description, examples: [`${fields[0]} desc`] };
  return judged<string>(shown, (value) => {
    if (typeof value !== 'string') return 'must be a text';
    const [field = '', direction, ...more] = value.trim().split(/[\s+]+/);
    if (!(fields as readonly string[]).includes(field)) {
      const near = nearestName(field, fields);
      return `must name one of ${fields.join(', ')}${near ? `; did you mean ${near}?` : ''}`;
    }
    if (more.length > 0 || (direction !== undefined && direction !== 'asc' && direction !== 'desc'))
      return 'must be a field, and asc or desc after it';
    return undefined;
  });
}

/** Of a value that its schema has taken. */
export function readSort<T extends string>(value: string, ascendingByDefault: boolean): Sort<T> {
  const [by, direction] = value.trim().split(/[\s+]+/);
  return { by: by as T, ascending: direction === undefined ? ascendingByDefault : direction === 'asc' };
}

function messageOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
