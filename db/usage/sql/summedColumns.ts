import type { Sketch } from '@usage/lib/cells/sketch.ts';
import { type Decimal, readDecimal } from '@usage/lib/decimal/decimal.ts';
import { type Aggregation, keptValues } from '@usage/lib/meter/meter.ts';
import type { Executor } from '../../connection/connect.ts';

/** What one group comes to in one bucket. */
export interface UsageRow {
  bucket: number;
  /** The subject if grouped by it, then the group values in the order of groupByIndexes. */
  key: string[];
  count: number;
  value: Decimal | undefined;
  firstUs: number;
  lastUs: number;
  /** PERCENTILE alone. */
  sketch: Sketch | undefined;
  /** WEIGHTED_SUM alone. */
  moment: Decimal | undefined;
}

/** More columns, for what the aggregation keeps beside its value. */
export function moreColumns(tx: Executor, aggregation: Aggregation) {
  switch (keptValues[aggregation]) {
    case 'sketch':
      return tx`, 'sketch', json_agg(sketch)`;
    case 'area':
      return tx`, 'moment', json_agg(moment::text)`;
    default:
      return tx``;
  }
}

/**
 * Column by column, in one JSON text: with 5,000 rows the driver would take longer to read them value by value than
 * PostgreSQL takes to sum 150,000 cells up. null where there is no row.
 */
export interface SummedColumns {
  bucket: number[] | null;
  key: string[][];
  count: number[];
  value: (string | null)[];
  firstUs: number[];
  lastUs: number[];
  sketch?: Record<string, number>[];
  moment?: string[];
}

export function rowsOf({
  bucket,
  key,
  count,
  value,
  firstUs,
  lastUs,
  sketch,
  moment,
}: SummedColumns): UsageRow[] {
  return (bucket ?? []).map((number, i) => ({
    bucket: number,
    key: key[i]!,
    count: count[i]!,
    value: value[i] == null ? undefined : readDecimal(value[i]!),
    firstUs: firstUs[i]!,
    lastUs: lastUs[i]!,
    sketch: sketch && new Map(Object.entries(sketch[i]!).map(([bin, n]) => [Number(bin), n])),
    moment: moment && readDecimal(moment[i]!),
  }));
}
