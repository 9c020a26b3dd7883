import { readTextFilter } from '@usage/lib/filter/textFilter.ts';
import { type Fault, invalid } from '@usage/lib/http/faults.ts';
import { customerGroup, type QueryRequest, readQueryRequest } from '../meters/params.ts';

const windowSizes = new Map([
  ['PT1M', 'MINUTE'],
  ['PT5M', 'PT5M'],
  ['PT15M', 'PT15M'],
  ['PT30M', 'PT30M'],
  ['PT1H', 'HOUR'],
  ['PT3H', 'PT3H'],
  ['PT6H', 'PT6H'],
  ['PT12H', 'PT12H'],
  ['P1D', 'DAY'],
  ['P1W', 'WEEK'],
  ['P1M', 'MONTH'],
  ['P3M', 'QUARTER'],
  ['P1Y', 'YEAR'],
]);
const known = new Set(['from', 'to', 'granularity', 'time_zone', 'group_by_dimensions', 'filters']);
const operatorsMax = 10;

/** OpenMeter's v3 MeterQueryRequest, told in v1's words. Throws a Problem that names every fault. */
export function readV3Query(body: unknown): QueryRequest {
  if (!isObject(body)) throw invalid('query', [{ field: '', reason: 'a JSON object is expected' }]);
  const faults: Fault[] = Object.keys(body)
    .filter((name) => !known.has(name))
    .map((name) => ({ field: name.slice(0, 64).toWellFormed(), reason: 'is not known' }));
  const { from, to, granularity, time_zone: windowTimeZone, group_by_dimensions: groupBy, filters } = body;
  const windowSize = typeof granularity === 'string' ? windowSizes.get(granularity) : undefined;
  if (granularity !== undefined && windowSize === undefined) {
    faults.push({ field: 'granularity', reason: `must be one of ${[...windowSizes.keys()].join(', ')}` });
  }
  const dimensions = isObject(filters) ? (filters.dimensions ?? {}) : {};
  if (!isObject(dimensions)) faults.push({ field: 'filters.dimensions', reason: 'must be an object' });
  const advanced: Record<string, unknown> = {};
  let subject: string[] | undefined;
  let filterCustomerId: string[] | undefined;
  for (const [name, filter] of Object.entries(isObject(dimensions) ? dimensions : {})) {
    const field = `filters.dimensions.${name.slice(0, 64).toWellFormed()}`;
    try {
      if (name === customerGroup) filterCustomerId = textsOf(filter);
      else if (name === 'subject') subject = textsOf(filter);
      else advanced[name] = toV1Filter(filter);
    } catch (error) {
      faults.push({ field, reason: (error as Error).message });
    }
  }
  if (faults.length > 0) throw invalid('query', faults);
  const given = {
    from,
    to,
    windowSize,
    windowTimeZone,
    groupBy,
    subject,
    filterCustomerId,
    advancedMeterGroupByFilters: advanced,
  };
  return readQueryRequest(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  );
}

function textsOf(filter: unknown): string[] {
  const { eq, in: among } = (isObject(filter) ? filter : {}) as { eq?: unknown; in?: unknown };
  if (typeof eq === 'string' && Object.keys(filter as object).length === 1) return [eq];
  if (Array.isArray(among) && among.length > 0 && Object.keys(filter as object).length === 1)
    return among as string[];
  throw new Error('takes eq or in');
}

function toV1Filter(filter: unknown): Record<string, unknown> {
  const entries = isObject(filter) ? Object.entries(filter) : [];
  const [operator, value] = entries[0] ?? [];
  if (entries.length !== 1) throw new Error('must have one operator');
  const translated = translate(operator!, value);
  readTextFilter(translated);
  return translated;
}

function translate(operator: string, value: unknown): Record<string, unknown> {
  switch (operator) {
    case 'eq':
    case 'in':
    case 'nin':
      return { [`$${operator}`]: value };
    case 'neq':
      return { $ne: value };
    case 'contains':
      return { $like: `%${escaped(value)}%` };
    case 'ncontains':
      return { $nlike: `%${escaped(value)}%` };
    case 'exists':
      // An event without the dimension counts with the empty text.
      return value === true ? { $ne: '' } : { $eq: '' };
    case 'and':
    case 'or':
      if (!Array.isArray(value) || value.length === 0 || value.length > operatorsMax)
        throw new Error(`${operator} must be a list of 1 to ${operatorsMax} filters`);
      return { [`$${operator}`]: value.map(toV1Filter) };
    default:
      throw new Error(`${operator.slice(0, 32).toWellFormed()} is no operator`);
  }
}

function escaped(value: unknown): string {
  if (typeof value !== 'string') throw new Error('must be a text');
  return value.replace(/[\\%_]/g, '\\$&');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
