import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import type { TimeFilter } from '@usage/lib/filter/timeFilter.ts';
import type { Executor } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';

export interface EventFilters {
  texts: readonly { column: 'id' | 'source' | 'subject' | 'type'; filter: TextFilter }[];
  times: readonly { column: ListKey; filter: TimeFilter }[];
}

/** What a list can be ordered and filtered by; stored_at is the batch's. */
export type ListKey = 'time' | 'ingested_at' | 'stored_at';

/** AND and the filters that events themselves decide. */
export function eventConditions(tx: Executor, { texts, times }: EventFilters) {
  let condition = tx``;
  for (const { column, filter } of texts)
    condition = tx`${condition} AND ${textCondition(tx, column, filter)}`;
  for (const { column, filter } of times)
    if (column !== 'stored_at') condition = tx`${condition} AND ${timeCondition(tx, column, filter)}`;
  return condition;
}

/** AND and the filters that a row of batches decides. */
export function batchConditions(tx: Executor, { times }: EventFilters) {
  return times
    .filter(({ column }) => column === 'stored_at')
    .reduce((all, { column, filter }) => tx`${all} AND ${timeCondition(tx, column, filter)}`, tx``);
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
