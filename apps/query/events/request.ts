import type { EventFilters, ListPlace } from '@usage/db/events/eventLists.ts';
import { endUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { readTextFilter } from '@usage/lib/filter/textFilter.ts';
import { readTimeFilter } from '@usage/lib/filter/timeFilter.ts';
import { invalid } from '@usage/lib/http/faults.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { EventListParameters, EventPageParameters, eventsMax } from '@usage/lib/queryApi/eventLists.ts';
import { escaped } from '@usage/lib/queryApi/v3Query.ts';
import type { Fault } from '@usage/lib/validation/fault.ts';
import { hourUs } from '@usage/lib/windows/units.ts';

export interface ListRequest {
  filters: EventFilters;
  /** Ids of customers whose events are listed; undefined = everybody's. */
  customerIds: string[] | undefined;
  place: ListPlace | undefined;
  limit: number;
}

const hoursByDefault = 72;

/** GET /api/v1/events. `from` is 72 hours ago where it is left out. Throws a Problem that names every fault. */
export function readListRequest(request: Request, nowUs: number): ListRequest {
  const given = readParameters(EventListParameters, request);
  const time = (text: string | undefined) => (text === undefined ? undefined : parseTimeUs(text));
  const bounds = [
    ['time', 'gte', time(given.from) ?? nowUs - hoursByDefault * hourUs],
    ['time', 'lt', time(given.to)],
    ['ingested_at', 'gte', time(given.ingestedAtFrom)],
    ['ingested_at', 'lt', time(given.ingestedAtTo)],
  ] as const;
  const faults = [
    ...orderFaults(bounds[0][2], bounds[1][2], 'from', 'to'),
    ...orderFaults(bounds[2][2], bounds[3][2], 'ingestedAtFrom', 'ingestedAtTo'),
  ];
  if (faults.length > 0) throw invalid('query', faults, 'query');
  const times = bounds.flatMap(([column, operator, us]) =>
    us === undefined ? [] : [{ column, filter: { operator, us } } as const],
  );
  const texts = (['id', 'subject'] as const).flatMap((column) => {
    const part = given[column];
    // % and _ stand for themselves.
    return part === undefined
      ? []
      : [{ column, filter: { operator: 'like', value: `%${escaped(part)}%` } as const }];
  });
  const { customerId: customerIds, limit = eventsMax } = given;
  return { filters: { texts, times }, customerIds, place: undefined, limit };
}

/** GET /api/v2/events: a cursor, and filters as JSON. Throws a Problem that names every fault. */
export function readCursorRequest(request: Request): ListRequest {
  const { cursor, limit = eventsMax, filter = {} } = readParameters(EventPageParameters, request);
  const place = cursor ? decodePlace(cursor) : undefined;
  if (cursor && !place) {
    const reason = 'is not one that this API has given out';
    throw invalid('query', [{ field: 'cursor', reason }], 'query');
  }
  const texts = (['id', 'source', 'subject', 'type'] as const).flatMap((column) => {
    const read = filter[column] ? readTextFilter(filter[column]) : undefined;
    return read ? [{ column, filter: read }] : [];
  });
  const times = (
    [
      ['time', filter.time],
      ['ingested_at', filter.ingestedAt],
    ] as const
  ).flatMap(([column, json]) => {
    const read = json ? readTimeFilter(json) : undefined;
    return read ? [{ column, filter: read }] : [];
  });
  return { filters: { texts, times }, customerIds: idsOf(filter.customerId), place, limit };
}

/** Both operators must pass, as in every filter; without any there is no filter. */
function idsOf(filter: { $eq?: string; $in?: string[] } | null | undefined): string[] | undefined {
  const { $eq, $in } = filter ?? {};
  if ($eq === undefined) return $in;
  return $in === undefined || $in.includes($eq) ? [$eq] : [];
}

export function encodePlace({ arrivedUs, source, id }: ListPlace): string {
  return Buffer.from(JSON.stringify([arrivedUs, source, id])).toString('base64url');
}

function decodePlace(cursor: string): ListPlace | undefined {
  try {
    const [arrivedUs, source, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const texts = [source, id].every((text) => typeof text === 'string' && isStorable(text));
    const inRange = Number.isSafeInteger(arrivedUs) && arrivedUs >= 0 && arrivedUs < endUs;
    return texts && inRange ? { arrivedUs, source, id } : undefined;
  } catch {
    return undefined;
  }
}

function orderFaults(
  fromUs: number | undefined,
  toUs: number | undefined,
  from: string,
  to: string,
): Fault[] {
  if (fromUs === undefined || toUs === undefined || toUs >= fromUs) return [];
  return [{ field: to, reason: `must not be before ${from}` }];
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
