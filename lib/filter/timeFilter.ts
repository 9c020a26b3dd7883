import { parseTimeUs, timeIssue } from '../event/time.ts';
import { nearestName } from '../validation/nearest.ts';

/** OpenMeter's filters on a time field; several operators in one object must all pass, as with `$and`. */
export type TimeFilter =
  | { operator: 'gt' | 'gte' | 'lt' | 'lte'; us: number }
  | { operator: 'and' | 'or'; filters: TimeFilter[] };

const operators = ['gt', 'gte', 'lt', 'lte'] as const;
const depthMax = 5;
const filtersMax = 1_000;

/**
 * Reads a filter from JSON; undefined where it is empty. Operators that are null count as left out.
 * Throws an Error whose message continues the field's name.
 */
export function readTimeFilter(json: unknown, depth = 0): TimeFilter | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error('expected an object such as {"$gte": "2025-01-01T00:00:00Z"}');
  }
  if (depth > depthMax) throw new Error(`filters are nested deeper than ${depthMax}`);
  const entries = Object.entries(json).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length === 0) return undefined;
  const filters = entries.map(([name, value]) => readOperator(name, value, depth));
  return filters.length === 1 ? filters[0] : { operator: 'and', filters };
}

function readOperator(name: string, value: unknown, depth: number): TimeFilter {
  if (name === '$and' || name === '$or') {
    if (!Array.isArray(value)) throw new Error(`${name}: expected a list`);
    if (value.length === 0) throw new Error(`${name}: must not be empty`);
    if (value.length > filtersMax) throw new Error(`${name}: more than ${filtersMax} filters`);
    const filters = value.map((item) => readTimeFilter(item, depth + 1)).filter((one) => one !== undefined);
    return { operator: name === '$and' ? 'and' : 'or', filters };
  }
  const operator = operators.find((one) => `$${one}` === name);
  if (!operator) {
    const near = nearestName(name, ['$gt', '$gte', '$lt', '$lte', '$and', '$or']);
    throw new Error(
      `unknown operator ${JSON.stringify(name.slice(0, 64))}${near ? `; did you mean ${near}?` : ''}`,
    );
  }
  const us = typeof value === 'string' ? parseTimeUs(value) : undefined;
  if (us === undefined)
    throw new Error(
      `${name}: ${(typeof value === 'string' && timeIssue(value)) || 'expected an RFC 3339 time'}`,
    );
  return { operator, us };
}

/** Times outside of these bounds never pass; undefined = no bound. */
export function timeBounds(filter: TimeFilter): { fromUs: number | undefined; toUs: number | undefined } {
  switch (filter.operator) {
    case 'gt':
    case 'gte':
      return { fromUs: filter.us, toUs: undefined };
    case 'lt':
    case 'lte':
      return { fromUs: undefined, toUs: filter.us };
    case 'and': {
      const bounds = filter.filters.map(timeBounds);
      return { fromUs: extreme(Math.max, bounds, 'fromUs'), toUs: extreme(Math.min, bounds, 'toUs') };
    }
    case 'or':
      return { fromUs: undefined, toUs: undefined };
    default:
      return filter satisfies never;
  }
}

function extreme<K extends string>(
  pick: (...values: number[]) => number,
  bounds: Record<K, number | undefined>[],
  side: K,
): number | undefined {
  const values = bounds.map((one) => one[side]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : pick(...values);
}
