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
  WEIGHTED_SUM: 'adds',
  WEIGHTED_LATEST: 'adds',
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
/** Of usage that adds up: what has other cuts is read apart, unless that would be more statements than these. */
const apartMax = 200;

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
  const usages = new Array<Decimal[]>(wanted.length);
  const read = readTogether(wanted).map(async (members) => {
    const own = members.map((i) => wanted[i]!);
    const added = await addedUsages(tx, found, own, runner);
    members.forEach((i, n) => {
      usages[i] = added[n]!;
    });
  });
  await Promise.all(read);
  return usages;
}

/**
 * Which of them are read by one statement: their filters have one shape, and their phases the same cuts, where that does not
 * make too many statements. Else each would be cut where any other one is.
 */
function readTogether(wanted: readonly WantedUsage[]): number[][] {
  const shapes = wanted.map(({ filters }) => shapeOf(filters).shape);
  const apart = Map.groupBy(wanted.keys(), (i) => `${shapes[i]} ${cutsOf(wanted[i]!).join()}`);
  return [...(apart.size <= apartMax ? apart : Map.groupBy(wanted.keys(), (i) => shapes[i])).values()];
}

function cutsOf({ phases }: WantedUsage): number[] {
  return [phases[0]!.fromUs, ...phases.map(({ toUs }) => toUs)];
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
  return totals[0] ? measuredValue(found.meter, totals[0]) : 0;
}

/** What is wanted has filters of one shape (shapeOf). */
async function addedUsages(
  tx: Transaction,
  found: MeterToRead,
  wanted: readonly WantedUsage[],
  runner: UsageRunner,
): Promise<Decimal[][]> {
  const cuts = [...new Set(wanted.flatMap(cutsOf))].sort((a, b) => a - b);
  const subjects = [...new Set(wanted.flatMap((one) => one.subjects))];
  if (cuts.length > cutsMax)
    throw new Problem(
      'bad_request',
      'The time range holds too many changes of grants: ask for a shorter one.',
    );
  const { groupBy } = shapeOf(wanted[0]!.filters);
  const amounts = new Map<string, (Decimal | undefined)[]>();
  if (cuts.length > 1 && subjects.length > 0) {
    const filters = groupBy.length > 0 ? anyOf(wanted, groupBy) : wanted[0]!.filters;
    const query = {
      ...everything,
      filters,
      subjects,
      groupBySubject: true,
      groupBy,
      cuts,
      amountsOnly: true,
    };
    const { totals } = await readUsage(tx, found, query, runner);
    for (const total of totals) {
      const key = total.key.join('\0');
      const buckets = amounts.get(key) ?? [];
      buckets[total.bucket] = measuredValue(found.meter, total);
      amounts.set(key, buckets);
    }
  }
  const numberOf = new Map(cuts.map((cut, i) => [cut, i]));
  return wanted.map(({ subjects: own, filters, phases }) => {
    const { suffix } = shapeOf(filters);
    const used = own
      .map((subject) => amounts.get(subject + suffix))
      .filter((buckets) => buckets !== undefined);
    return phases.map(({ fromUs, toUs }) => {
      let usage: Decimal = 0;
      const [first, last] = [numberOf.get(fromUs)! + 1, numberOf.get(toUs)!];
      for (const buckets of used)
        for (let bucket = first; bucket <= last; bucket++) usage = addDecimals(usage, buckets[bucket] ?? 0);
      return usage;
    });
  });
}

interface Shape {
  /** Filters of one shape can be read together: all name single values of the same groups, or they are the same. */
  shape: string;
  /** The groups of which they name single values; empty where one names others. */
  groupBy: readonly string[];
  /** The values, as they follow the subject in the key of a total. */
  suffix: string;
}

const shapes = new WeakMap<ReadonlyMap<string, TextFilter>, Shape>();

function shapeOf(filters: ReadonlyMap<string, TextFilter>): Shape {
  let shape = shapes.get(filters);
  if (!shape) {
    const values = valuesOf(filters);
    const groupBy = values ? [...values.keys()].sort() : [];
    shape = {
      shape: values ? groupBy.join('\0') : JSON.stringify([...filters]),
      groupBy,
      suffix: groupBy.map((name) => `\0${values!.get(name)!}`).join(''),
    };
    shapes.set(filters, shape);
  }
  return shape;
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
