/** A meter as OpenMeter defines it: which events it takes, what it measures, by what it can be grouped. */

export const aggregations = [
  'SUM',
  'COUNT',
  'AVG',
  'MIN',
  'MAX',
  'UNIQUE_COUNT',
  'LATEST',
  'PERCENTILE',
  'WEIGHTED_SUM',
  'WEIGHTED_LATEST',
] as const;
export type Aggregation = (typeof aggregations)[number];

/**
 * What a cell keeps of its events' values: the one that they come to, each distinct one, how many there are of which size
 * (lib/cells/sketch.ts), what the area under their level is made of (db/usage/areas.ts), each with its time
 * (lib/cells/points.ts), or none of them.
 */
export type KeptValues = 'one' | 'distinct' | 'sketch' | 'area' | 'points' | 'none';
export const keptValues: Readonly<Record<Aggregation, KeptValues>> = {
  SUM: 'one',
  COUNT: 'none',
  AVG: 'one',
  MIN: 'one',
  MAX: 'one',
  UNIQUE_COUNT: 'distinct',
  LATEST: 'one',
  PERCENTILE: 'sketch',
  WEIGHTED_SUM: 'area',
  WEIGHTED_LATEST: 'points',
};

/** Whether its cells keep texts: distinct values, or points. */
export function keepsTexts(aggregation: Aggregation): boolean {
  return keptValues[aggregation] === 'distinct' || keptValues[aggregation] === 'points';
}

/** Whether it is answered by the area under a level. */
export function isLevel(aggregation: Aggregation): boolean {
  return keptValues[aggregation] === 'area' || keptValues[aggregation] === 'points';
}

/** What WEIGHTED_SUM and WEIGHTED_LATEST are answered in: value × this. In seconds. */
export const timeUnits = { SECOND: 1, MINUTE: 60, HOUR: 3_600, DAY: 86_400 } as const;
export type TimeUnit = keyof typeof timeUnits;

/** What the evaluation of events needs of a meter. */
export interface Meter {
  namespace: string;
  slug: string;
  eventType: string;
  aggregation: Aggregation;
  /** JSONPath of the value in the event's data; undefined for COUNT, and where there is an expression. */
  valueProperty: string | undefined;
  /** Arithmetic over JSONPaths instead (expression.ts). */
  valueExpression?: string | undefined;
  /** Which events of the type it takes (eventFilters.ts); undefined = all. */
  filters?: Record<string, unknown> | undefined;
  /** Of WEIGHTED_SUM and WEIGHTED_LATEST; undefined = SECOND. */
  timeUnit?: TimeUnit | undefined;
  /** Group-by name to JSONPath. */
  groupBy: Record<string, string>;
  /** Which rollups it feeds (meters.build). */
  generation: bigint;
}

/** The names in the order in which group values stand in cells and series. */
export function groupByNames(meter: Pick<Meter, 'groupBy'>): string[] {
  return Object.keys(meter.groupBy).sort();
}
