import { parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { readTextFilter, type TextFilter } from '@usage/lib/filter/textFilter.ts';
import { type Fault, invalid } from '@usage/lib/http/faults.ts';
import { checkAnchor, checkZone, type WindowSize, windowSizes } from '@usage/lib/windows/windows.ts';

/** A meter query as GET and POST state it, before the meter is known. Names and rules are OpenMeter's. */
export interface QueryRequest {
  fromUs: number | undefined;
  toUs: number | undefined;
  windowSize: WindowSize | undefined;
  windowTimeZone: string;
  /** Local date and time at which a window begins. */
  windowAnchor: string | undefined;
  /** undefined = not given; OpenMeter groups by subject as soon as the field is there. */
  subjects: string[] | undefined;
  groupBy: string[];
  /** Ids of customers; rows are grouped by customer then, as OpenMeter does. undefined = not given. */
  customerIds: string[] | undefined;
  filters: Map<string, TextFilter>;
  /** Which of the two filter fields they came from: the messages differ. */
  filterField: 'filterGroupBy' | 'advancedMeterGroupByFilters';
}

export const subjectsMax = 100;
export const groupByMax = 100;
export const customersMax = 100;
/** The group that stands for the customer of a subject. */
export const customerGroup = 'customer_id';
const valuesMax = 1_000;
const parametersMax = 1_000;
const clientIdLengthMax = 36;
const textLengthMax = 1_024;

/** A query string as the object that a POST would carry: lists repeated, filterGroupBy[key]=value, JSON as text. */
export function queryToBody(query: URLSearchParams): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const lists: Record<string, string[]> = {};
  const filters = new Map<string, string[]>();
  const faults: Fault[] = [];
  if (query.size > parametersMax)
    throw invalid('query', [{ field: '', reason: `more than ${parametersMax} parameters` }]);
  for (const [name, text] of query) {
    const key = /^filterGroupBy\[(.*)\]$/s.exec(name)?.[1];
    if (key !== undefined) filters.set(key, [...(filters.get(key) ?? []), text]);
    else if (listFields.has(name))
      lists[name] = [...(lists[name] ?? []), ...(name === 'groupBy' ? text.split(',') : [text])];
    else if (!scalarFields.has(name)) continue;
    else if (Object.hasOwn(body, name)) faults.push({ field: name, reason: 'is given more than once' });
    else body[name] = name === 'advancedMeterGroupByFilters' ? parsedJson(name, text, faults) : text;
  }
  if (faults.length > 0) throw invalid('query', faults);
  if (filters.size > 0) body.filterGroupBy = Object.fromEntries(filters);
  return Object.assign(body, lists);
}

const scalarFields = new Set([
  'clientId',
  'from',
  'to',
  'windowSize',
  'windowTimeZone',
  'windowAnchor',
  'advancedMeterGroupByFilters',
]);
const listFields = new Set(['subject', 'groupBy', 'filterCustomerId']);

/** Throws a Problem that names every fault. */
export function readQueryRequest(body: unknown): QueryRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid('query', [{ field: '', reason: 'a JSON object is expected' }]);
  }
  const faults: Fault[] = [];
  const given = new Map(Object.entries(body).filter(([, value]) => value !== null));
  const simple = given.get('filterGroupBy');
  const advanced = given.get('advancedMeterGroupByFilters');
  const request: QueryRequest = {
    fromUs: timeOf(given.get('from'), 'from', faults),
    toUs: timeOf(given.get('to'), 'to', faults),
    windowSize: windowSizeOf(given.get('windowSize'), faults),
    windowTimeZone: zoneOf(given.get('windowTimeZone'), faults),
    windowAnchor: anchorOf(given.get('windowAnchor'), given.get('windowSize'), faults),
    subjects: given.has('subject')
      ? textsOf(given.get('subject'), 'subject', subjectsMax, faults)
      : undefined,
    groupBy: given.has('groupBy') ? textsOf(given.get('groupBy'), 'groupBy', groupByMax, faults) : [],
    customerIds: isFilled(given.get('filterCustomerId'))
      ? textsOf(given.get('filterCustomerId'), 'filterCustomerId', customersMax, faults)
      : undefined,
    filters: isFilled(advanced)
      ? filtersOf(advanced, 'advancedMeterGroupByFilters', readTextFilter, faults)
      : filtersOf(simple ?? {}, 'filterGroupBy', (value) => inFilter(value), faults),
    filterField: isFilled(advanced) ? 'advancedMeterGroupByFilters' : 'filterGroupBy',
  };
  checkTogether(request, isFilled(simple) && isFilled(advanced), faults);
  checkClient(given.get('clientId'), faults);
  if (faults.length > 0) throw invalid('query', faults);
  return request;
}

function checkTogether({ fromUs, toUs }: QueryRequest, bothFilters: boolean, faults: Fault[]): void {
  if (fromUs !== undefined && toUs !== undefined) {
    if (fromUs === toUs) faults.push({ field: '', reason: 'from and to cannot be equal' });
    if (fromUs > toUs) faults.push({ field: '', reason: 'from must be before to' });
  }
  if (bothFilters) {
    const reason = 'advanced meter group by filters and filter group by cannot be used together';
    faults.push({ field: '', reason });
  }
}

function checkClient(value: unknown, faults: Fault[]): void {
  if (value === undefined) return;
  if (typeof value === 'string' && value.length >= 1 && value.length <= clientIdLengthMax) return;
  faults.push({ field: 'clientId', reason: `must be a text of 1 to ${clientIdLengthMax} characters` });
}

export function timeOf(value: unknown, field: string, faults: Fault[]): number | undefined {
  if (value === undefined) return undefined;
  const reason = typeof value === 'string' ? timeFault(value) : 'expected an RFC 3339 time';
  if (reason === undefined) return parseTimeUs(value as string);
  faults.push({ field, reason });
  return undefined;
}

function windowSizeOf(value: unknown, faults: Fault[]): WindowSize | undefined {
  if (value === undefined) return undefined;
  const size = windowSizes.find((name) => name === value);
  if (!size) faults.push({ field: 'windowSize', reason: `must be one of ${windowSizes.join(', ')}` });
  return size;
}

function zoneOf(value: unknown, faults: Fault[]): string {
  if (value === undefined || value === '') return 'UTC';
  try {
    checkZone(String(value));
    return String(value);
  } catch (error) {
    faults.push({ field: 'windowTimeZone', reason: `invalid time zone: ${(error as Error).message}` });
    return 'UTC';
  }
}

function anchorOf(value: unknown, size: unknown, faults: Fault[]): string | undefined {
  if (value === undefined) return undefined;
  const known = windowSizes.find((name) => name === size);
  try {
    if (!known) throw new Error('it needs a windowSize of DAY or longer');
    checkAnchor(known, String(value));
    return String(value);
  } catch (error) {
    faults.push({ field: 'windowAnchor', reason: (error as Error).message });
    return undefined;
  }
}

function textsOf(value: unknown, field: string, itemsMax: number, faults: Fault[]): string[] {
  if (!Array.isArray(value)) faults.push({ field, reason: 'must be a list of texts' });
  else if (value.length > itemsMax) faults.push({ field, reason: `has more than ${itemsMax} values` });
  else if (!value.every(isText))
    faults.push({ field, reason: `must be texts of at most ${textLengthMax} characters` });
  else return [...new Set(value)];
  return [];
}

function filtersOf(
  value: unknown,
  field: QueryRequest['filterField'],
  read: (value: unknown) => TextFilter | undefined,
  faults: Fault[],
): Map<string, TextFilter> {
  const filters = new Map<string, TextFilter>();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.push({ field, reason: 'must be an object with a filter for each group' });
    return filters;
  }
  for (const [name, one] of Object.entries(value).slice(0, groupByMax + 1)) {
    try {
      const filter = read(one);
      if (filter) filters.set(name, filter);
    } catch (error) {
      faults.push({ field: `${field}.${name.slice(0, 64)}`, reason: (error as Error).message });
    }
  }
  if (filters.size > groupByMax) faults.push({ field, reason: `has more than ${groupByMax} filters` });
  return filters;
}

/** No values = no filter, as OpenMeter has it. */
function inFilter(value: unknown): TextFilter | undefined {
  const values = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(values) || !values.every(isText)) throw new Error('must be a list of texts');
  if (values.length > valuesMax) throw new Error(`has more than ${valuesMax} values`);
  return values.length === 0 ? undefined : { operator: 'in', values };
}

/** PostgreSQL holds neither NUL nor half a surrogate pair, so no stored value can equal such a text. */
function isText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= textLengthMax &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}

function isFilled(value: unknown): boolean {
  return value !== undefined && !(typeof value === 'object' && Object.keys(value as object).length === 0);
}

function parsedJson(field: string, text: string, faults: Fault[]): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    faults.push({ field, reason: `must be JSON: ${(error as Error).message}` });
    return undefined;
  }
}
