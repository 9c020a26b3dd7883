import { percentileOf } from '@usage/lib/cells/sketch.ts';
import { type Decimal, divideDecimals } from '@usage/lib/decimal/decimal.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import type { Total } from './accumulator.ts';

/** ClickHouse's Decimal128(19), in which OpenMeter divides. */
const averageDigits = 19;

/** Where nobody says which: the median. */
export const usualPercentile = 50;

/** What a total comes to; `percentile` says which one, for PERCENTILE. */
export function measuredValue(
  aggregation: Aggregation,
  { cell, distinct }: Total,
  percentile = usualPercentile,
): Decimal {
  switch (aggregation) {
    case 'COUNT':
      return cell.count;
    case 'UNIQUE_COUNT':
      return distinct;
    case 'PERCENTILE':
      return percentileOf(cell.sketch!, percentile);
    case 'AVG':
      return divideDecimals(cell.value!, cell.count, averageDigits);
    case 'SUM':
    case 'MIN':
    case 'MAX':
    case 'LATEST':
      return cell.value!;
    default:
      return aggregation satisfies never;
  }
}
