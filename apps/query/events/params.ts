import type { EventFilters, ListPlace } from '@usage/db/events/eventLists.ts';
import { endUs, parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { readTextFilter } from '@usage/lib/filter/textFilter.ts';
import { readTimeFilter } from '@usage/lib/filter/timeFilter.ts';
import { type Fault, integerIn, invalid } from '@usage/lib/http/faults.ts';
import { hourUs } from '@usage/lib/windows/units.ts';

export interface ListRequest {
  filters: EventFilters;
  /** Ids of customers whose events are listed; undefined = everybody's. */
  customerIds: string[] | undefined;
  place: ListPlace | undefined;
  limit: number;
}

export const limitMax = 100;
const clientIdLengthMax = 36;
const cursorLengthMax = 8_192;
const hoursByDefault = 72;
const customersMax = 100;

/** GET /api/v1/events. `from` is 72 hours ago where it is left out. Throws a Problem that names every fault. */
export function readListRequest(query: URLSearchParams, nowUs: number): ListRequest {
  const faults: Fault[] = [];
  const time = (name: string) => timeOf(query.get(name), name, faults);
  const fromUs = time('from') ?? nowUs - hoursByDefault * hourUs;
  const bounds = [
    ['time', 'gte', fromUs],
    ['time', 'lt', time('to')],
    ['ingested_at', 'gte', time('ingestedAtFrom')],
    ['ingested_at', 'lt', time('ingestedAtTo')],
  ] as const;
  const times = bounds.flatMap(([column, operator, us]) =>
    us === undefined ? [] : [{ column, filter: { operator, us } } as const],
  );
  checkOrder(bounds[0][2], bounds[1][2], 'from', 'to', faults);
  checkOrder(bounds[2][2], bounds[3][2], 'ingestedAtFrom', 'ingestedAtTo', faults);
  const texts = (['id', 'subject'] as const).flatMap((column) => {
    const part = query.get(column);
    return part
      ? [{ column, filter: { operator: 'like', value: containing(part, column, faults) } as const }]
      : [];
  });
  const limit = integerIn(query, 'limit', limitMax, limitMax, faults);
  const customerIds = query.has('customerId')
    ? idsOf(query.getAll('customerId'), 'customerId', faults)
    : undefined;
  checkCommon(query, faults);
  if (faults.length > 0) throw invalid('query', faults);
  return { filters: { texts, times }, customerIds, place: undefined, limit };
}

/** GET /api/v2/events: a cursor, and filters as JSON. Throws a Problem that names every fault. */
export function readCursorRequest(query: URLSearchParams): ListRequest {
  const faults: Fault[] = [];
  const limit = integerIn(query, 'limit', limitMax, limitMax, faults);
  const cursor = query.get('cursor');
  const place = cursor ? decodePlace(cursor) : undefined;
  if (cursor && !place) faults.push({ field: 'cursor', reason: 'is not one that this API has given out' });
  const { customerIds, ...filters } = filtersOf(query.get('filter'), faults);
  checkCommon(query, faults);
  if (faults.length > 0) throw invalid('query', faults);
  return { filters, customerIds, place, limit };
}

export function encodePlace({ arrivedUs, source, id }: ListPlace): string {
  return Buffer.from(JSON.stringify([arrivedUs, source, id])).toString('base64url');
}

function decodePlace(cursor: string): ListPlace | undefined {
  if (cursor.length > cursorLengthMax) return undefined;
  try {
    const [arrivedUs, source, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const texts = [source, id].every((text) => typeof text === 'string' && isStorable(text));
    const inRange = Number.isSafeInteger(arrivedUs) && arrivedUs >= 0 && arrivedUs < endUs;
    return texts && inRange ? { arrivedUs, source, id } : undefined;
  } catch {
    return undefined;
  }
}

const textFields = ['id', 'source', 'subject', 'type'] as const;
const timeFields = { time: 'time', ingestedAt: 'ingested_at' } as const;

function filtersOf(text: string | null, faults: Fault[]): EventFilters & Pick<ListRequest, 'customerIds'> {
  const texts: EventFilters['texts'][number][] = [];
  const times: EventFilters['times'][number][] = [];
  let customerIds: string[] | undefined;
  for (const [name, json] of Object.entries(parsedFilter(text, faults))) {
    if (json === null) continue;
    try {
      const column = textFields.find((field) => field === name);
      if (column) {
        const filter = readTextFilter(json);
        if (filter) texts.push({ column, filter });
      } else if (Object.hasOwn(timeFields, name)) {
        const filter = readTimeFilter(json);
        if (filter) times.push({ column: timeFields[name as keyof typeof timeFields], filter });
      } else if (name === 'customerId') customerIds = idsOf(json, `filter.${name}`, faults);
      else throw new Error('is not a field that can be filtered');
    } catch (error) {
      faults.push({ field: `filter.${name.slice(0, 64)}`, reason: (error as Error).message });
    }
  }
  return { texts, times, customerIds };
}

/** A list of ids, or a filter `{"$eq": id}` or `{"$in": [ids]}`. */
function idsOf(given: unknown, field: string, faults: Fault[]): string[] {
  const { $eq, $in } = (given ?? {}) as { $eq?: unknown; $in?: unknown };
  const ids = Array.isArray(given) ? given : $in === undefined ? [$eq] : $in;
  const valid = Array.isArray(ids) && ids.length <= customersMax && ids.every((id) => typeof id === 'string');
  if (valid && ids.every(isStorable)) return ids;
  faults.push({ field, reason: `must name at most ${customersMax} customers by id, with $eq or $in` });
  return [];
}

function parsedFilter(text: string | null, faults: Fault[]): Record<string, unknown> {
  if (!text) return {};
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null && !Array.isArray(json))
      return json as Record<string, unknown>;
    faults.push({ field: 'filter', reason: 'must be a JSON object' });
  } catch (error) {
    faults.push({ field: 'filter', reason: `must be JSON: ${(error as Error).message}` });
  }
  return {};
}

function timeOf(text: string | null, field: string, faults: Fault[]): number | undefined {
  if (text === null) return undefined;
  const reason = timeFault(text);
  if (reason !== undefined) faults.push({ field, reason });
  return parseTimeUs(text);
}

function checkOrder(
  fromUs: number | undefined,
  toUs: number | undefined,
  from: string,
  to: string,
  faults: Fault[],
): void {
  if (fromUs !== undefined && toUs !== undefined && toUs < fromUs) {
    faults.push({ field: to, reason: `must not be before ${from}` });
  }
}

function checkCommon(query: URLSearchParams, faults: Fault[]): void {
  const clientId = query.get('clientId');
  if (clientId !== null && (clientId === '' || clientId.length > clientIdLengthMax)) {
    faults.push({ field: 'clientId', reason: `must be a text of 1 to ${clientIdLengthMax} characters` });
  }
}

/** The pattern for a part of a text, in which % and _ stand for themselves. */
function containing(part: string, field: string, faults: Fault[]): string {
  if (!isStorable(part)) faults.push({ field, reason: 'holds NUL or half a surrogate pair' });
  return `%${part.replace(/[\\%_]/g, '\\$&')}%`;
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
