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
] as const;
export type Aggregation = (typeof aggregations)[number];

/**
 * What a cell keeps of its events' values: the one that they come to, each distinct one, how many there are of which size
 * (lib/cells/sketch.ts), or none of them.
 */
export type KeptValues = 'one' | 'distinct' | 'sketch' | 'none';
export const keptValues: Readonly<Record<Aggregation, KeptValues>> = {
  SUM: 'one',
  COUNT: 'none',
  AVG: 'one',
  MIN: 'one',
  MAX: 'one',
  UNIQUE_COUNT: 'distinct',
  LATEST: 'one',
  PERCENTILE: 'sketch',
};

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
  /** Group-by name to JSONPath. */
  groupBy: Record<string, string>;
  /** Which rollups it feeds (meters.build). */
  generation: bigint;
}

/** The names in the order in which group values stand in cells and series. */
export function groupByNames(meter: Pick<Meter, 'groupBy'>): string[] {
  return Object.keys(meter.groupBy).sort();
}
