import type { Transaction } from '@usage/db/connection/connect.ts';
import {
  batchesByArrival,
  type EventFilters,
  eventsOfListedBatches,
  type ListedBatch,
  type ListedEvent,
  type ListPlace,
} from '@usage/db/events/eventLists.ts';
import { subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import { listMeters, metersPerNamespaceMax } from '@usage/db/meters/meters.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { timeBounds } from '@usage/lib/filter/timeFilter.ts';
import { unavailable } from '@usage/lib/http/problem.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { QueryRunner } from '../runner.ts';
import type { ListRequest } from './request.ts';

export interface EventPage {
  /** Each event as JSON text. */
  items: string[];
  /** Where the next page goes on; undefined when this one is the last. */
  next: ListPlace | undefined;
}

/** Batches looked through at once: few, since most lists end in the first; more where filters let little pass. */
const stretchMin = 8;
const stretchMax = 4_096;

/** Events newest first: by arrival, then source and id, descending. Problems: 503 where the filters let too little pass. */
export async function listEvents(
  runner: QueryRunner,
  namespace: string,
  { filters: given, customerIds, place, limit }: ListRequest,
): Promise<EventPage> {
  return await runner.read('events', namespace, async (tx, deadlineMs) => {
    const filters = customerIds ? await ofCustomers(tx, namespace, given, customerIds) : given;
    const { events, storedAtUs } = await findEvents(tx, namespace, filters, place, limit, deadlineMs);
    runner.metrics.rows.observe({ kind: 'events' }, events.length);
    const fault = events.length === 0 ? () => undefined : await faultFinder(tx, namespace);
    const items = events.map((event) => itemOf(event, storedAtUs.get(event.batch_id)!, fault(event)));
    const last = events.length === limit ? events.at(-1) : undefined;
    return { items, next: last && { arrivedUs: last.arrived_us, source: last.source, id: last.id } };
  });
}

/** The filters, and that an event's subject is one of the customers'. */
async function ofCustomers(
  tx: Transaction,
  namespace: string,
  filters: EventFilters,
  customerIds: readonly string[],
): Promise<EventFilters> {
  const subjects = await subjectsOfCustomers(tx, namespace, customerIds);
  const filter = { operator: 'in', values: [...subjects.values()].flat() } as const;
  return { ...filters, texts: [...filters.texts, { column: 'subject', filter }] };
}

/**
 * Walks the batches by their last arrival until no batch that is left can hold an event that belongs among the first
 * `limit` of those found.
 */
export async function findEvents(
  tx: Transaction,
  namespace: string,
  filters: EventFilters,
  place: ListPlace | undefined,
  limit: number,
  deadlineMs: number,
): Promise<{ events: ListedEvent[]; storedAtUs: Map<bigint, number> }> {
  const arrival = filters.times.filter(({ column }) => column === 'ingested_at').map(({ filter }) => filter);
  const { fromUs = 0, toUs } = timeBounds({ operator: 'and', filters: arrival });
  const arrivedUsMax =
    place && toUs !== undefined ? Math.min(place.arrivedUs, toUs) : (place?.arrivedUs ?? toUs);

  let events: ListedEvent[] = [];
  const storedAtUs = new Map<bigint, number>();
  let after: ListedBatch | undefined;
  for (let stretch = stretchMin; ; stretch = Math.min(stretch * 8, stretchMax)) {
    if (performance.now() > deadlineMs) throw tooRare();
    const batches = await batchesByArrival(tx, after, arrivedUsMax, stretch);
    if (batches.length === 0) break;
    after = batches.at(-1)!;
    for (const { id, storedAtUs: us } of batches) storedAtUs.set(id, us);
    const found = await eventsOfListedBatches(tx, namespace, batches, filters, place, limit);
    events = [...events, ...found].sort(newestFirst).slice(0, limit);
    const full = events.length === limit && events.at(-1)!.arrived_us > after.arrivedToUs;
    if (full || batches.length < stretch || after.arrivedToUs < fromUs) break;
  }
  return { events, storedAtUs };
}

function newestFirst(a: ListedEvent, b: ListedEvent): number {
  return (
    b.arrived_us - a.arrived_us ||
    Buffer.compare(Buffer.from(b.source), Buffer.from(a.source)) ||
    Buffer.compare(Buffer.from(b.id), Buffer.from(a.id))
  );
}

function tooRare() {
  return unavailable(
    'The filters let so few events pass that the search takes too long: narrow the time of arrival as well.',
    5,
  );
}

/** Why an event doesn't count for a meter of its type; undefined when it counts for all of them. */
async function faultFinder(tx: Transaction, namespace: string) {
  const page = {
    page: 1,
    pageSize: metersPerNamespaceMax,
    orderBy: 'key',
    order: 'ASC',
    includeDeleted: false,
  } as const;
  const byType = new Map<string, CompiledMeter[]>();
  for (const meter of await listMeters(tx, namespace, page)) {
    byType.set(meter.eventType, [...(byType.get(meter.eventType) ?? []), compileMeter(meter)]);
  }
  return (event: ListedEvent): string | undefined => {
    const { type, data } = event;
    const meters = byType.get(type);
    if (!meters) return `no meter found for event type: ${type}`;
    const parsed = data === null ? undefined : parseJson(data);
    const faults = meters
      .map((meter) => meter.measure(parsed, event))
      .filter((one) => typeof one === 'string');
    return faults.length === 0 ? undefined : [...new Set(faults)].join('\n');
  };
}

/** Attributes and data stand in it as they were stored: not a digit is lost. */
function itemOf(event: ListedEvent, storedAtUs: number, validationError: string | undefined): string {
  const { id, source, type, subject, time_us: timeUs, attributes, data } = event;
  const head = JSON.stringify({ specversion: '1.0', id, source, type, subject, time: formatTimeUs(timeUs) });
  const more = attributes === null || attributes === '{}' ? '' : `,${attributes.trim().slice(1, -1)}`;
  const rest = JSON.stringify({
    ingestedAt: formatTimeUs(event.arrived_us),
    storedAt: formatTimeUs(storedAtUs),
    validationError,
  });
  return `{"event":${head.slice(0, -1)}${more}${data === null ? '' : `,"data":${data}`}},${rest.slice(1)}`;
}
