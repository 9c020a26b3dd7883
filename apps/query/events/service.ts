import type { EventBackfill } from '@usage/db/backfills/counted.ts';
import type { Transaction } from '@usage/db/connection/connect.ts';
import type { EventCorrection } from '@usage/db/corrections/eventCorrections.ts';
import {
  batchesStoredAt,
  eventsOfListedBatches,
  type ListBounds,
  type ListedBatch,
  type ListedEvent,
  type ListOrder,
  type ListPlace,
  listedBatches,
} from '@usage/db/events/eventLists.ts';
import type { EventFilters } from '@usage/db/events/listFilters.ts';
import { subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import { listAllMeters } from '@usage/db/meters/findMeters.ts';
import { endUs } from '@usage/lib/event/time.ts';
import { timeBounds } from '@usage/lib/filter/timeFilter.ts';
import { unavailable } from '@usage/lib/http/problem.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { QueryRunner } from '../runner.ts';
import { withCorrections } from './corrected.ts';
import type { ListRequest } from './request.ts';

/** An event of a list, with what the answer says of it. */
export interface Listed {
  event: ListedEvent;
  storedAtUs: number;
  /** The correction in force; undefined: it counts as it came. */
  correction: EventCorrection | undefined;
  /** undefined: it was sent under none. */
  backfill: EventBackfill | undefined;
  /** Why it does not count for a meter of its type, each reason once; empty when it counts for all of them. */
  issues: readonly string[];
}

/** Batches looked through at once: few, since most lists end in the first; more where filters let little pass. */
const stretchMin = 8;
const stretchMax = 4_096;

/** At most `limit` events in the order of the list. Problems: 503 where the filters let too little pass. */
export async function listEvents(
  runner: QueryRunner,
  namespace: string,
  request: ListRequest,
): Promise<Listed[]> {
  return await runner.read('events', namespace, async (tx, deadlineMs) => {
    const { filters: given, customerIds } = request;
    const filters = customerIds ? await ofCustomers(tx, namespace, given, customerIds) : given;
    const events = await findEvents(tx, namespace, { ...request, filters }, deadlineMs);
    runner.metrics.rows.observe({ kind: 'events' }, events.length);
    if (events.length === 0) return [];
    const issuesOf = await issueFinder(tx, namespace);
    const storedAt = await batchesStoredAt(tx, [...new Set(events.map((event) => event.batch_id))]);
    return (await withCorrections(tx, namespace, events)).map(({ event, correction, backfill, current }) => ({
      event,
      correction,
      backfill,
      // Without its batch's row, it was stored when it arrived or little later.
      storedAtUs: storedAt.get(event.batch_id) ?? event.arrived_us,
      issues: issuesOf(current),
    }));
  });
}

/** Where the list goes on after an event. */
export function placeOf({ event }: Listed): ListPlace {
  return { us: event.key_us, source: event.source, id: event.id };
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
 * Walks the namespace's batches in the order of the list until none that is left can hold an event that belongs among the
 * first `limit` of those found.
 */
export async function findEvents(
  tx: Transaction,
  namespace: string,
  { order, filters, place, limit }: ListRequest,
  deadlineMs: number,
): Promise<ListedEvent[]> {
  const bounds = boundsOf(order, filters, place);
  const searched = new Set<bigint>();
  let events: ListedEvent[] = [];
  let after: ListedBatch | undefined;
  for (let stretch = stretchMin; ; stretch = Math.min(stretch * 8, stretchMax)) {
    if (performance.now() > deadlineMs) throw tooRare();
    const batches = await listedBatches(tx, namespace, order, filters, bounds, after, stretch);
    const ids = new Set(batches.map(({ id }) => id).filter((id) => !searched.has(id)));
    if (ids.size > 0) {
      const found = await eventsOfListedBatches(tx, namespace, [...ids], order, filters, place, limit);
      events = [...events, ...found].sort(inOrder(order)).slice(0, limit);
      for (const id of ids) searched.add(id);
    }
    after = batches.at(-1);
    if (!after || batches.length < stretch) return events;
    const last = events.length === limit ? events.at(-1)!.key_us : undefined;
    if (last !== undefined && (order.ascending ? last < after.edgeUs : last > after.edgeUs)) return events;
  }
}

/** What the filters and the place say of the batches that can hold events of the list. */
function boundsOf(
  { by, ascending }: ListOrder,
  filters: EventFilters,
  place: ListPlace | undefined,
): ListBounds {
  const boundsBy = (column: 'time' | 'ingested_at') => {
    const own = filters.times.filter((one) => one.column === column).map(({ filter }) => filter);
    const { fromUs, toUs } = timeBounds({ operator: 'and', filters: own });
    if (place === undefined || by !== column) return { fromUs, toUs };
    return ascending
      ? { fromUs: Math.max(fromUs ?? 0, place.us), toUs }
      : { fromUs, toUs: Math.min(toUs ?? endUs, place.us) };
  };
  const types = filters.texts.flatMap(({ column, filter }) => {
    if (column !== 'type') return [];
    if (filter.operator === 'eq') return [[filter.value]];
    return filter.operator === 'in' ? [filter.values] : [];
  });
  return { time: boundsBy('time'), ingested_at: boundsBy('ingested_at'), types: types[0] };
}

function inOrder({ ascending }: ListOrder) {
  const sign = ascending ? 1 : -1;
  return (a: ListedEvent, b: ListedEvent): number =>
    sign *
    (a.key_us - b.key_us ||
      Buffer.compare(Buffer.from(a.source), Buffer.from(b.source)) ||
      Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
}

function tooRare() {
  return unavailable(
    'The filters let so few events pass that the search takes too long: narrow the time of the events as well.',
    5,
  );
}

/** Why an event doesn't count for a meter of its type, each reason once; empty when it counts for all of them. */
async function issueFinder(tx: Transaction, namespace: string) {
  const byType = new Map<string, CompiledMeter[]>();
  for (const meter of await listAllMeters(tx, namespace)) {
    byType.set(meter.eventType, [...(byType.get(meter.eventType) ?? []), compileMeter(meter)]);
  }
  return (event: ListedEvent): string[] => {
    const { type, data } = event;
    const meters = byType.get(type);
    if (!meters) return [`no meter found for event type: ${type}`];
    const parsed = data === null ? undefined : parseJson(data);
    const issues = meters
      .map((meter) => meter.measure(parsed, event))
      .filter((one) => typeof one === 'string');
    return [...new Set(issues)];
  };
}
