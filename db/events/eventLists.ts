import type { Fragment } from 'postgres';
import type { Executor } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import { batchConditions, type EventFilters, eventConditions, type ListKey } from './listFilters.ts';
import { eventsOfBatches } from './tenantBatches.ts';

/**
 * Lists of a namespace's events. Its batches are walked in the order of the list, by what batch_types says of them, and each
 * stretch of them is searched.
 */
export interface ListOrder {
  by: ListKey;
  ascending: boolean;
}

/** A batch on the walk. */
export interface ListedBatch {
  id: bigint;
  /** None of its events comes before this in the order of the list; µs since 1970. */
  edgeUs: number;
}

/** A place in a list: events after it follow in (time by which it is ordered, source, id), texts by their bytes. */
export interface ListPlace {
  us: number;
  source: string;
  id: string;
}

/** Ranges that every event of a list lies in; undefined = open. */
export interface ListBounds {
  time: { fromUs: number | undefined; toUs: number | undefined };
  ingested_at: { fromUs: number | undefined; toUs: number | undefined };
  /** undefined = any. */
  types: readonly string[] | undefined;
}

export interface ListedEvent {
  id: string;
  source: string;
  type: string;
  subject: string;
  /** The time by which the list is ordered. */
  key_us: number;
  time_us: number;
  arrived_us: number;
  batch_id: bigint;
  /** JSON text of the attributes that have no column. */
  attributes: string | null;
  /** JSON text as it came. */
  data: string | null;
}

/**
 * The next batches of the walk that may hold events of the list; a batch comes once for each type of event that it holds.
 * Batches that batch_types doesn't describe yet may hold anything. Of these it is taken for granted that no event says it
 * happened more than a day after its arrival: one that does may be listed too low until its batch is described.
 */
export async function listedBatches(
  tx: Executor,
  namespace: string,
  { by, ascending }: ListOrder,
  filters: EventFilters,
  bounds: ListBounds,
  after: ListedBatch | undefined,
  batchesMax: number,
): Promise<ListedBatch[]> {
  const columns = {
    time: { low: tx`t.first_time`, high: tx`t.last_time` },
    ingested_at: { low: tx`t.first_arrived`, high: tx`t.last_arrived` },
    stored_at: { low: tx`b.stored_at`, high: tx`b.stored_at` },
  }[by];
  const edge = ascending ? columns.low : columns.high;
  const key = tx`(${edge}, batch_id)`;
  const next = after
    ? tx`AND ${key} ${ascending ? tx`>` : tx`<`} (${timeOf(tx, after.edgeUs)}, ${after.id}::bigint)`
    : tx``;
  const types = bounds.types ? tx`AND t.type = ANY(${[...bounds.types]}::text[])` : tx``;
  const ofBatch = batchConditions(tx, filters);
  const joined = by === 'stored_at' || filters.times.some(({ column }) => column === 'stored_at');
  const direction = ascending ? tx`ASC` : tx`DESC`;
  const undescribed = {
    time: { low: tx`timestamptz 'epoch'`, high: tx`b.arrived_to + interval '1 day'` },
    ingested_at: { low: tx`b.arrived_from`, high: tx`b.arrived_to` },
    stored_at: { low: tx`b.stored_at`, high: tx`b.stored_at` },
  }[by];
  const edgeOfAny = ascending ? undescribed.low : undescribed.high;
  const nextOfAny = after
    ? tx`AND (${edgeOfAny}, b.id) ${ascending ? tx`>` : tx`<`} (${timeOf(tx, after.edgeUs)}, ${after.id}::bigint)`
    : tx``;
  const rows = await tx<{ id: bigint; edge_us: number }[]>`
    SELECT batch_id AS id, (extract(epoch FROM edge) * 1000000)::float8 AS edge_us FROM (
      (SELECT t.batch_id, ${edge} AS edge FROM batch_types t ${joined ? tx`JOIN batches b ON b.id = t.batch_id` : tx``}
       WHERE t.namespace = ${namespace} ${types} ${ofBatch} ${next}
         ${overlap(tx, tx`t.first_time`, tx`t.last_time`, bounds.time)}
         ${overlap(tx, tx`t.first_arrived`, tx`t.last_arrived`, bounds.ingested_at)}
       ORDER BY edge ${direction}, batch_id ${direction} LIMIT ${batchesMax})
      UNION ALL
      (SELECT b.id, ${edgeOfAny} FROM batches b
       WHERE NOT b.described AND b.events > 0 ${ofBatch} ${nextOfAny}
         ${overlap(tx, tx`b.arrived_from`, tx`b.arrived_to`, bounds.ingested_at)}
       ORDER BY 2 ${direction}, 1 ${direction} LIMIT ${batchesMax})
    ) found ORDER BY edge ${direction}, batch_id ${direction} LIMIT ${batchesMax}`;
  return rows.map((row) => ({ id: row.id, edgeUs: row.edge_us }));
}

function overlap(
  tx: Executor,
  first: Fragment,
  last: Fragment,
  { fromUs, toUs }: { fromUs: number | undefined; toUs: number | undefined },
) {
  const since = fromUs === undefined ? tx`` : tx`AND ${last} >= ${timeOf(tx, fromUs)}`;
  return toUs === undefined ? since : tx`${since} AND ${first} <= ${timeOf(tx, toUs)}`;
}

/** The first events after `place` of those in the batches that pass the filters. */
export async function eventsOfListedBatches(
  tx: Executor,
  namespace: string,
  batches: readonly bigint[],
  { by, ascending }: ListOrder,
  filters: EventFilters,
  place: ListPlace | undefined,
  eventsMax: number,
): Promise<ListedEvent[]> {
  const key = by === 'stored_at' ? tx`b.stored_at` : tx`e.${tx(by)}`;
  const after = place
    ? tx`AND (${key}, e.source COLLATE "C", e.id COLLATE "C") ${ascending ? tx`>` : tx`<`}
             (${timeOf(tx, place.us)}, ${place.source}, ${place.id})`
    : tx``;
  const direction = ascending ? tx`ASC` : tx`DESC`;
  const condition = tx`e.namespace = ${namespace} ${by === 'stored_at' ? tx`` : after} ${eventConditions(tx, filters)}`;
  return tx<ListedEvent[]>`
    SELECT e.id, e.source, e.type, e.subject, (extract(epoch FROM ${key}) * 1000000)::float8 AS key_us,
           (extract(epoch FROM e.time) * 1000000)::float8 AS time_us,
           (extract(epoch FROM e.ingested_at) * 1000000)::float8 AS arrived_us, e.batch_id,
           e.attributes::text AS attributes, e.data::text AS data
    FROM ${eventsOfBatches(tx, batches, condition, Number.POSITIVE_INFINITY)} e ${by === 'stored_at' ? tx`JOIN batches b ON b.id = e.batch_id` : tx``}
    WHERE true ${by === 'stored_at' ? after : tx``}
    ORDER BY ${key} ${direction}, e.source COLLATE "C" ${direction}, e.id COLLATE "C" ${direction}
    LIMIT ${eventsMax}`;
}

/** When batches were stored, by their ids. */
export async function batchesStoredAt(tx: Executor, ids: readonly bigint[]): Promise<Map<bigint, number>> {
  const rows = await tx<{ id: bigint; stored_us: number }[]>`
    SELECT id, (extract(epoch FROM stored_at) * 1000000)::float8 AS stored_us
    FROM batches WHERE id = ANY(${ids.map(String)}::bigint[])`;
  return new Map(rows.map((row) => [row.id, row.stored_us]));
}
