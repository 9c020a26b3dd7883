import { type Decimal, divideDecimals } from '@usage/lib/decimal/decimal.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import type { Total } from './accumulator.ts';

/** ClickHouse's Decimal128(19), in which OpenMeter divides. */
const averageDigits = 19;

/** What a total comes to. */
export function measuredValue(aggregation: Aggregation, { cell, distinct }: Total): Decimal {
  switch (aggregation) {
    case 'COUNT':
      return cell.count;
    case 'UNIQUE_COUNT':
      return distinct;
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
