import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import type { TimeFilter } from '@usage/lib/filter/timeFilter.ts';
import type { Executor } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';

/** Lists of events, newest arrival first: the batches are walked by arrival, and each stretch of them is searched. */
export interface ListedBatch {
  id: bigint;
  /** Arrival of its last event. */
  arrivedToUs: number;
  storedAtUs: number;
}

/** A place in the list: after it come events that are lower in (arrival, source, id), texts by their bytes. */
export interface ListPlace {
  arrivedUs: number;
  source: string;
  id: string;
}

export interface EventFilters {
  texts: readonly { column: 'id' | 'source' | 'subject' | 'type'; filter: TextFilter }[];
  times: readonly { column: 'time' | 'ingested_at'; filter: TimeFilter }[];
}

export interface ListedEvent {
  id: string;
  source: string;
  type: string;
  subject: string;
  time_us: number;
  arrived_us: number;
  batch_id: bigint;
  /** JSON text of the attributes that have no column. */
  attributes: string | null;
  /** JSON text as it came. */
  data: string | null;
}

/** The next batches of the walk after `after`, leaving out those whose events all arrived after `arrivedUsMax`. */
export async function batchesByArrival(
  tx: Executor,
  after: ListedBatch | undefined,
  arrivedUsMax: number | undefined,
  batchesMax: number,
): Promise<ListedBatch[]> {
  const next = after
    ? tx`AND (arrived_to, id) < (${timeOf(tx, after.arrivedToUs)}, ${after.id}::bigint)`
    : tx``;
  const early = arrivedUsMax === undefined ? tx`` : tx`AND arrived_from <= ${timeOf(tx, arrivedUsMax)}`;
  const rows = await tx<{ id: bigint; arrived_us: number; stored_us: number }[]>`
    SELECT id, (extract(epoch FROM arrived_to) * 1000000)::float8 AS arrived_us,
           (extract(epoch FROM stored_at) * 1000000)::float8 AS stored_us
    FROM batches WHERE events > 0 ${next} ${early}
    ORDER BY arrived_to DESC, id DESC LIMIT ${batchesMax}`;
  return rows.map((row) => ({ id: row.id, arrivedToUs: row.arrived_us, storedAtUs: row.stored_us }));
}

/** The first events after `place` of those in the batches that pass the filters. */
export async function eventsOfListedBatches(
  tx: Executor,
  namespace: string,
  batches: readonly ListedBatch[],
  filters: EventFilters,
  place: ListPlace | undefined,
  eventsMax: number,
): Promise<ListedEvent[]> {
  const ids = batches.map(({ id }) => id).sort((a, b) => (a < b ? -1 : 1));
  const after = place
    ? tx`AND (ingested_at, source COLLATE "C", id COLLATE "C") < (${timeOf(tx, place.arrivedUs)}, ${place.source}, ${place.id})`
    : tx``;
  // The range is what the brin index can use; the list leaves out batches in between that are not of this stretch.
  return tx<ListedEvent[]>`
    SELECT id, source, type, subject, (extract(epoch FROM time) * 1000000)::float8 AS time_us,
           (extract(epoch FROM ingested_at) * 1000000)::float8 AS arrived_us, batch_id,
           attributes::text AS attributes, data::text AS data
    FROM events
    WHERE batch_id BETWEEN ${ids[0]!} AND ${ids.at(-1)!} AND batch_id = ANY(${ids.map(String)}::bigint[])
      AND namespace = ${namespace} ${after} ${filtersOf(tx, filters)}
    ORDER BY ingested_at DESC, source COLLATE "C" DESC, id COLLATE "C" DESC
    LIMIT ${eventsMax}`;
}

function filtersOf(tx: Executor, { texts, times }: EventFilters) {
  let condition = tx``;
  for (const { column, filter } of texts)
    condition = tx`${condition} AND ${textCondition(tx, column, filter)}`;
  for (const { column, filter } of times)
    condition = tx`${condition} AND ${timeCondition(tx, column, filter)}`;
  return condition;
}

type Condition = ReturnType<typeof timeOf>;

function textCondition(tx: Executor, column: string, filter: TextFilter): Condition {
  const field = tx(column);
  switch (filter.operator) {
    case 'eq':
      return tx`${field} = ${filter.value}`;
    case 'ne':
      return tx`${field} <> ${filter.value}`;
    case 'in':
      return tx`${field} = ANY(${filter.values}::text[])`;
    case 'nin':
      return tx`${field} <> ALL(${filter.values}::text[])`;
    case 'like':
      return tx`${field} LIKE ${likePattern(filter.value)}`;
    case 'nlike':
      return tx`${field} NOT LIKE ${likePattern(filter.value)}`;
    case 'ilike':
      return tx`lower(${field}) LIKE lower(${likePattern(filter.value)})`;
    case 'nilike':
      return tx`lower(${field}) NOT LIKE lower(${likePattern(filter.value)})`;
    case 'gt':
      return tx`${field} COLLATE "C" > ${filter.value}`;
    case 'gte':
      return tx`${field} COLLATE "C" >= ${filter.value}`;
    case 'lt':
      return tx`${field} COLLATE "C" < ${filter.value}`;
    case 'lte':
      return tx`${field} COLLATE "C" <= ${filter.value}`;
    case 'and':
    case 'or':
      return joined(
        tx,
        filter.operator,
        filter.filters.map((one) => textCondition(tx, column, one)),
      );
    default:
      return filter satisfies never;
  }
}

function timeCondition(tx: Executor, column: string, filter: TimeFilter): Condition {
  const field = tx(column);
  switch (filter.operator) {
    case 'gt':
      return tx`${field} > ${timeOf(tx, filter.us)}`;
    case 'gte':
      return tx`${field} >= ${timeOf(tx, filter.us)}`;
    case 'lt':
      return tx`${field} < ${timeOf(tx, filter.us)}`;
    case 'lte':
      return tx`${field} <= ${timeOf(tx, filter.us)}`;
    case 'and':
    case 'or':
      return joined(
        tx,
        filter.operator,
        filter.filters.map((one) => timeCondition(tx, column, one)),
      );
    default:
      return filter satisfies never;
  }
}

/** No conditions = none, whichever way they are joined. */
function joined(tx: Executor, operator: 'and' | 'or', conditions: Condition[]): Condition {
  if (conditions.length === 0) return tx`true`;
  const all = conditions.reduce((a, b) => (operator === 'and' ? tx`${a} AND ${b}` : tx`${a} OR ${b}`));
  return tx`(${all})`;
}

/** A pattern that ends in a lone backslash is an error to PostgreSQL; here it stands for itself. */
function likePattern(pattern: string): string {
  const trailing = /\\*$/.exec(pattern)![0].length;
  return trailing % 2 === 0 ? pattern : `${pattern}\\`;
}
