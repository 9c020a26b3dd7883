import type { Transaction } from '@usage/db/connection/connect.ts';
import type { MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { UsageQuery, UsageRunner } from '@usage/db/usage/context.ts';
import { readUsage } from '@usage/db/usage/readUsage.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import { addDecimals, type Decimal, subtractDecimals } from '@usage/lib/decimal/decimal.ts';
import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';

/**
 *   adds       a phase's usage is what its events add up to
 *   distinct   new distinct values: those of the usage period so far, less those before the phase
 *   level      the value of the usage period so far, held against the whole grants
 */
export const usageKinds: Readonly<Record<Aggregation, 'adds' | 'distinct' | 'level'>> = {
  SUM: 'adds',
  COUNT: 'adds',
  UNIQUE_COUNT: 'distinct',
  AVG: 'level',
  MIN: 'level',
  MAX: 'level',
  LATEST: 'level',
  PERCENTILE: 'level',
};

/** Ranges of time that usage is wanted for, of some subjects together. */
export interface WantedUsage {
  subjects: readonly string[];
  /** By group-by name. */
  filters: ReadonlyMap<string, TextFilter>;
  phases: readonly (Period & { periodFromUs: number })[];
}

/** Those that are read one by one. */
const singleReadsMax = 400;
const cutsMax = 20_000;

const everything = {
  fromUs: undefined,
  toUs: undefined,
  windows: undefined,
  groupBySubject: false,
  groupBy: [],
} as const;

/**
 * The usage of every phase of every one that is wanted, in order. What adds up is read for all of them at once, whose filters
 * name single values of the same groups: by subject and group, between all the cuts. Problems: 400 where too much would
 * have to be read one by one.
 */
export async function phaseUsages(
  tx: Transaction,
  found: MeterToRead,
  wanted: readonly WantedUsage[],
  runner: UsageRunner,
): Promise<Decimal[][]> {
  const kind = usageKinds[found.meter.aggregation];
  if (kind !== 'adds') return singleUsages(tx, found, wanted, kind, runner);
  const usages = new Map<WantedUsage, Decimal[]>();
  for (const own of Map.groupBy(wanted, ({ filters }) => shapeOf(filters)).values()) {
    const added = await addedUsages(tx, found, own, runner);
    own.forEach((one, i) => {
      usages.set(one, added[i]!);
    });
  }
  return wanted.map((one) => usages.get(one)!);
}

async function singleUsages(
  tx: Transaction,
  found: MeterToRead,
  wanted: readonly WantedUsage[],
  kind: 'distinct' | 'level',
  runner: UsageRunner,
): Promise<Decimal[][]> {
  const reads = wanted.reduce((sum, { phases }) => sum + phases.length, 0);
  if (reads > singleReadsMax)
    throw new Problem(
      'bad_request',
      `Usage of a ${found.meter.aggregation} meter would have to be read ${reads} times, more than ${singleReadsMax}: ask for less time, larger windows or fewer customers.`,
    );
  const usages: Decimal[][] = [];
  for (const { subjects, filters, phases } of wanted) {
    const until = (fromUs: number, toUs: number) =>
      fromUs >= toUs || subjects.length === 0
        ? 0
        : singleValue(tx, found, { ...everything, filters, subjects, fromUs, toUs }, runner);
    const own: Decimal[] = [];
    for (const { fromUs, toUs, periodFromUs } of phases) {
      const whole = await until(periodFromUs, toUs);
      own.push(kind === 'level' ? whole : subtractDecimals(whole, await until(periodFromUs, fromUs)));
    }
    usages.push(own);
  }
  return usages;
}

async function singleValue(
  tx: Transaction,
  found: MeterToRead,
  query: UsageQuery,
  runner: UsageRunner,
): Promise<Decimal> {
  const { totals } = await readUsage(tx, found, query, runner);
  return totals[0] ? measuredValue(found.meter.aggregation, totals[0]) : 0;
}

/** What is wanted has filters of one shape (shapeOf). */
async function addedUsages(
  tx: Transaction,
  found: MeterToRead,
  wanted: readonly WantedUsage[],
  runner: UsageRunner,
): Promise<Decimal[][]> {
  const cuts = [
    ...new Set(wanted.flatMap(({ phases }) => phases.flatMap(({ fromUs, toUs }) => [fromUs, toUs]))),
  ].sort((a, b) => a - b);
  const subjects = [...new Set(wanted.flatMap((one) => one.subjects))];
  if (cuts.length > cutsMax)
    throw new Problem(
      'bad_request',
      'The time range holds too many changes of grants: ask for a shorter one.',
    );
  const groupBy = valuesOf(wanted[0]!.filters) ? [...wanted[0]!.filters.keys()].sort() : [];
  const amounts = new Map<string, (Decimal | undefined)[]>();
  if (cuts.length > 1 && subjects.length > 0) {
    const filters = groupBy.length > 0 ? anyOf(wanted, groupBy) : wanted[0]!.filters;
    const query = { ...everything, filters, subjects, groupBySubject: true, groupBy, cuts };
    const { totals } = await readUsage(tx, found, query, runner);
    for (const { bucket, key, ...total } of totals) {
      const buckets = amounts.get(key.join('\0')) ?? [];
      buckets[bucket] = measuredValue(found.meter.aggregation, { bucket, key, ...total });
      amounts.set(key.join('\0'), buckets);
    }
  }
  const numberOf = new Map(cuts.map((cut, i) => [cut, i]));
  return wanted.map(({ subjects: own, filters, phases }) => {
    const values = groupBy.length > 0 ? valuesOf(filters)! : undefined;
    const used = own.flatMap((subject) => {
      const buckets = amounts.get([subject, ...groupBy.map((name) => values!.get(name)!)].join('\0'));
      return buckets ? [buckets] : [];
    });
    return phases.map(({ fromUs, toUs }) => {
      let usage: Decimal = 0;
      const [first, last] = [numberOf.get(fromUs)! + 1, numberOf.get(toUs)!];
      for (const buckets of used)
        for (let bucket = first; bucket <= last; bucket++) usage = addDecimals(usage, buckets[bucket] ?? 0);
      return usage;
    });
  });
}

/** Filters of one shape can be read together: all name single values of the same groups, or they are the same. */
function shapeOf(filters: ReadonlyMap<string, TextFilter>): string {
  return valuesOf(filters) ? [...filters.keys()].sort().join('\0') : JSON.stringify([...filters]);
}

/** The single values that filters name; undefined where one names others. */
function valuesOf(filters: ReadonlyMap<string, TextFilter>): Map<string, string> | undefined {
  const values = new Map<string, string>();
  for (const [name, filter] of filters) {
    if (filter.operator !== 'eq') return undefined;
    values.set(name, filter.value);
  }
  return values;
}

function anyOf(wanted: readonly WantedUsage[], names: readonly string[]): Map<string, TextFilter> {
  const values = wanted.map(({ filters }) => valuesOf(filters)!);
  return new Map(
    names.map((name) => [
      name,
      { operator: 'in', values: [...new Set(values.map((one) => one.get(name)!))] },
    ]),
  );
}
