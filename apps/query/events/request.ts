import type { ListOrder, ListPlace } from '@usage/db/events/eventLists.ts';
import type { EventFilters, ListKey } from '@usage/db/events/listFilters.ts';
import { endUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { readTextFilter } from '@usage/lib/filter/textFilter.ts';
import { readTimeFilter } from '@usage/lib/filter/timeFilter.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import {
  EventListParameters,
  EventPageParameters,
  eventsMax,
  V3EventListParameters,
  v3SizeDefault,
} from '@usage/lib/queryApi/eventLists.ts';
import {
  readSort,
  readV3IdFilter,
  readV3TextFilter,
  readV3TimeFilter,
} from '@usage/lib/queryApi/v3Filters.ts';
import { escaped } from '@usage/lib/queryApi/v3Query.ts';
import type { Issue } from '@usage/lib/validation/issue.ts';
import { hourUs } from '@usage/lib/windows/units.ts';

export interface ListRequest {
  order: ListOrder;
  filters: EventFilters;
  /** Ids of customers whose events are listed; undefined = everybody's. */
  customerIds: string[] | undefined;
  place: ListPlace | undefined;
  limit: number;
}

const hoursByDefault = 72;

/** GET /api/v1/events. `from` is 72 hours ago where it is left out. Throws a Problem that names every issue. */
export function readListRequest(request: Request, nowUs: number): ListRequest {
  const given = readParameters(EventListParameters, request);
  const time = (text: string | undefined) => (text === undefined ? undefined : parseTimeUs(text));
  const bounds = [
    ['time', 'gte', time(given.from) ?? nowUs - hoursByDefault * hourUs],
    ['time', 'lt', time(given.to)],
    ['ingested_at', 'gte', time(given.ingestedAtFrom)],
    ['ingested_at', 'lt', time(given.ingestedAtTo)],
  ] as const;
  const issues = [
    ...orderIssues(bounds[0][2], bounds[1][2], 'from', 'to'),
    ...orderIssues(bounds[2][2], bounds[3][2], 'ingestedAtFrom', 'ingestedAtTo'),
  ];
  if (issues.length > 0) throw invalid('query', issues, 'query');
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
  return { order: orderOf(given.sort), filters: { texts, times }, customerIds, place: undefined, limit };
}

/** GET /api/v2/events: a cursor, and filters as JSON. Throws a Problem that names every issue. */
export function readCursorRequest(request: Request): ListRequest {
  const given = readParameters(EventPageParameters, request);
  const { cursor, limit = eventsMax, filter = {} } = given;
  const order = orderOf(given.sort);
  const place = cursor ? readCursor(cursor, 'cursor', order) : undefined;
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
  return { order, filters: { texts, times }, customerIds: idsOf(filter.customerId), place, limit };
}

/** Both operators must pass, as in every filter; without any there is no filter. */
function idsOf(filter: { $eq?: string; $in?: string[] } | null | undefined): string[] | undefined {
  const { $eq, $in } = filter ?? {};
  if ($eq === undefined) return $in;
  return $in === undefined || $in.includes($eq) ? [$eq] : [];
}

/** GET /api/v3/openmeter/events. Throws a Problem that names every issue. */
export function readV3ListRequest(request: Request): ListRequest {
  const { page = {}, filter = {}, sort } = readParameters(V3EventListParameters, request);
  const order = sort === undefined ? orderOf(undefined) : readSort<ListKey>(sort, false);
  const texts = (['id', 'source', 'subject', 'type'] as const).flatMap((column) =>
    filter[column] === undefined ? [] : [{ column, filter: readV3TextFilter(filter[column]) }],
  );
  const times = (['time', 'ingested_at', 'stored_at'] as const).flatMap((column) =>
    filter[column] === undefined ? [] : [{ column, filter: readV3TimeFilter(filter[column]) }],
  );
  return {
    order,
    filters: { texts, times },
    customerIds: filter.customer_id === undefined ? undefined : readV3IdFilter(filter.customer_id),
    place: page.after === undefined ? undefined : readCursor(page.after, 'page[after]', order),
    limit: page.size ?? v3SizeDefault,
  };
}

const columns = { time: 'time', ingestedAt: 'ingested_at', storedAt: 'stored_at' } as const;

/** By time, the latest first, as OpenMeter lists events. */
function orderOf(sort: string | undefined): ListOrder {
  const { by, ascending } = readSort<keyof typeof columns>(sort ?? 'time', false);
  return { by: columns[by], ascending };
}

/** Holds the order of its list, so that it is refused by another. */
export function encodePlace({ us, source, id }: ListPlace, { by, ascending }: ListOrder): string {
  return Buffer.from(JSON.stringify([by, ascending, us, source, id])).toString('base64url');
}

function readCursor(cursor: string, field: string, order: ListOrder): ListPlace {
  const place = decodePlace(cursor, order);
  if (place) return place;
  const reason = 'is not one that this API has given out for this order';
  throw invalid('query', [{ field, reason }], 'query');
}

function decodePlace(cursor: string, order: ListOrder): ListPlace | undefined {
  try {
    const [by, ascending, us, source, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const sameOrder = by === order.by && ascending === order.ascending;
    const texts = [source, id].every((text) => typeof text === 'string' && isStorable(text));
    const inRange = Number.isSafeInteger(us) && us >= 0 && us < endUs;
    return sameOrder && texts && inRange ? { us, source, id } : undefined;
  } catch {
    return undefined;
  }
}

function orderIssues(
  fromUs: number | undefined,
  toUs: number | undefined,
  from: string,
  to: string,
): Issue[] {
  if (fromUs === undefined || toUs === undefined || toUs >= fromUs) return [];
  return [{ field: to, reason: `must not be before ${from}` }];
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
