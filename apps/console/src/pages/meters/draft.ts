import { type TimeUnit, timeUnits } from '@usage/lib/meter/meter.ts';
import type { Meter } from '../../api/queries.ts';

/** A meter as it stands in the form. */
export interface Draft {
  slug: string;
  name: string;
  description: string;
  eventType: string;
  aggregation: Meter['aggregation'];
  /** A JSONPath, or arithmetic over several. */
  value: string;
  /** Which events of the type count; all of them must pass. */
  filters: FilterDraft[];
  /** Of a stored meter: they cannot change. */
  storedFilters?: Meter['filters'];
  groupBy: { name: string; path: string }[];
  /** Of WEIGHTED_SUM and WEIGHTED_LATEST. */
  timeUnit: TimeUnit;
}

export const timeUnitNames = Object.keys(timeUnits) as TimeUnit[];

/** A condition on a JSONPath in the data or an attribute of the event. */
export interface FilterDraft {
  name: string;
  operator: (typeof operators)[number]['value'];
  /** Of $in and $nin: separated by commas. */
  value: string;
}

export const operators = [
  { value: '$eq', label: 'is' },
  { value: '$ne', label: 'is not' },
  { value: '$in', label: 'is one of' },
  { value: '$nin', label: 'is none of' },
  { value: '$like', label: 'is like' },
  { value: '$nlike', label: 'is not like' },
] as const;

export const aggregations: { value: Meter['aggregation']; label: string }[] = [
  { value: 'SUM', label: 'SUM: values added up' },
  { value: 'COUNT', label: 'COUNT: how many events' },
  { value: 'AVG', label: 'AVG: mean of the values' },
  { value: 'MIN', label: 'MIN: the smallest value' },
  { value: 'MAX', label: 'MAX: the largest value' },
  { value: 'UNIQUE_COUNT', label: 'UNIQUE_COUNT: how many different values' },
  { value: 'LATEST', label: 'LATEST: the newest value' },
  { value: 'PERCENTILE', label: 'PERCENTILE: the median, or another percentile of the values' },
  { value: 'WEIGHTED_SUM', label: 'WEIGHTED_SUM: a level over time, from its changes' },
  { value: 'WEIGHTED_LATEST', label: 'WEIGHTED_LATEST: a level over time, which events set' },
];

/** Whether it has a unit of time. */
export function isLevel(aggregation: Meter['aggregation']): boolean {
  return aggregation === 'WEIGHTED_SUM' || aggregation === 'WEIGHTED_LATEST';
}

export function emptyDraft(eventType = ''): Draft {
  return {
    slug: '',
    name: '',
    description: '',
    eventType,
    aggregation: 'SUM',
    value: '',
    filters: [],
    groupBy: [],
    timeUnit: 'HOUR',
  };
}

export function draftOf(meter: Meter): Draft {
  return {
    slug: meter.slug,
    name: meter.name ?? '',
    description: meter.description ?? '',
    eventType: meter.eventType,
    aggregation: meter.aggregation,
    value: measured(meter),
    filters: [],
    storedFilters: meter.filters,
    timeUnit: meter.timeUnit ?? 'SECOND',
    groupBy: Object.entries(meter.groupBy ?? {}).map(([name, path]) => ({ name, path })),
  };
}

/** What a preview needs; undefined while it cannot be one. */
export function previewOf(draft: Draft) {
  const needsValue = draft.aggregation !== 'COUNT';
  if (draft.eventType.trim() === '' || (needsValue && draft.value.trim() === '')) return undefined;
  return {
    eventType: draft.eventType.trim(),
    aggregation: draft.aggregation,
    ...(needsValue && valueOfMeter(draft)),
    ...timeUnitOf(draft),
    ...filtersOf(draft),
    groupBy: groupByOf(draft),
  };
}

export function groupByOf({ groupBy }: Draft): Record<string, string> {
  const whole = groupBy.filter(({ name, path }) => name.trim() !== '' && path.trim() !== '');
  return Object.fromEntries(whole.map(({ name, path }) => [name.trim(), path.trim()]));
}

export function timeUnitOf({ aggregation, timeUnit }: Draft): { timeUnit?: TimeUnit } {
  return isLevel(aggregation) ? { timeUnit } : {};
}

/** The filters of a stored meter, or those of the form as the API takes them; conditions without a name are not ready yet. */
export function filtersOf({ filters, storedFilters }: Draft): { filters?: Record<string, Filter> } {
  if (storedFilters) return { filters: storedFilters as Record<string, Filter> };
  const byName = new Map<string, Filter[]>();
  for (const { name, operator, value } of filters) {
    const key = name.trim();
    if (key !== '') byName.set(key, [...(byName.get(key) ?? []), { [operator]: operandOf(operator, value) }]);
  }
  if (byName.size === 0) return {};
  const joined = [...byName].map(([name, all]) => [name, all.length === 1 ? all[0]! : { $and: all }]);
  return { filters: Object.fromEntries(joined) };
}

type Filter = Record<string, unknown>;

function operandOf(operator: FilterDraft['operator'], value: string): string | string[] {
  return operator === '$in' || operator === '$nin' ? value.split(',').map((one) => one.trim()) : value;
}

/** A name for a group, from the last step of its path. */
export function nameOfPath(path: string, taken: readonly string[]): string {
  const last = /([A-Za-z_]\w*)[^A-Za-z_]*$/.exec(path.slice(1))?.[1] ?? 'group';
  const base = last === 'subject' || last === 'customer_id' ? `${last}_value` : last;
  let name = base;
  for (let n = 2; taken.includes(name); n++) name = `${base}_${n}`;
  return name;
}

/** What it could be called, from its type and value. */
export function slugFor({ eventType, value }: Draft): string {
  const words = `${eventType} ${value}`.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return [...new Set(words)].join('_').slice(0, 64).replace(/_+$/, '');
}

/** What a meter measures, as the form shows it. */
export function measured({
  valueProperty,
  valueExpression,
}: Pick<Meter, 'valueProperty' | 'valueExpression'>): string {
  return valueProperty ?? valueExpression ?? '';
}

const singlePath = /^\$(\.[\w-]+|\[\s*(\d+|'[^']*'|"[^"]*")\s*\])*$/;

/** As the API takes it: a lone path is the value itself, anything else an expression. */
export function valueOfMeter({ value }: Draft) {
  const text = value.trim();
  return singlePath.test(text) ? { valueProperty: text } : { valueExpression: text };
}
