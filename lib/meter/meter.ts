/** A meter as OpenMeter defines it: which events it takes, what it measures, by what it can be grouped. */

export const aggregations = ['SUM', 'COUNT', 'AVG', 'MIN', 'MAX', 'UNIQUE_COUNT', 'LATEST'] as const;
export type Aggregation = (typeof aggregations)[number];

/** What the evaluation of events needs of a meter. */
export interface Meter {
  namespace: string;
  slug: string;
  eventType: string;
  aggregation: Aggregation;
  /** JSONPath of the value in the event's data; undefined for COUNT only. */
  valueProperty: string | undefined;
  /** Group-by name to JSONPath. */
  groupBy: Record<string, string>;
  /** Which rollups it feeds (meters.build). */
  build: bigint;
}

/** The names in the order in which group values stand in cells and series. */
export function groupByNames(meter: Pick<Meter, 'groupBy'>): string[] {
  return Object.keys(meter.groupBy).sort();
}
