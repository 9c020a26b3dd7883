import { percentileOf } from '@usage/lib/cells/sketch.ts';
import { type Decimal, divideDecimals, multiplyDecimals } from '@usage/lib/decimal/decimal.ts';
import { type Aggregation, isLevel, type Meter, timeUnits } from '@usage/lib/meter/meter.ts';
import type { Total } from './accumulator.ts';

/** ClickHouse's Decimal128(19), in which OpenMeter divides. */
const quotientDigits = 19;

/** Where nobody says which: the median. */
export const usualPercentile = 50;

/** What answers of an aggregation are added up as: areas are, however levels come about. */
export function addedAs(aggregation: Aggregation): Aggregation {
  return isLevel(aggregation) ? 'WEIGHTED_SUM' : aggregation;
}

const microsecond: Decimal = { coefficient: 1n, scale: 6 };

/** What a total comes to; `percentile` says which one, for PERCENTILE. */
export function measuredValue(
  { aggregation, timeUnit = 'SECOND' }: Pick<Meter, 'aggregation' | 'timeUnit'>,
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
    case 'WEIGHTED_SUM':
    case 'WEIGHTED_LATEST': {
      const seconds = multiplyDecimals(cell.value!, microsecond);
      return timeUnit === 'SECOND' ? seconds : divideDecimals(seconds, timeUnits[timeUnit], quotientDigits);
    }
    case 'AVG':
      return divideDecimals(cell.value!, cell.count, quotientDigits);
    case 'SUM':
    case 'MIN':
    case 'MAX':
    case 'LATEST':
      return cell.value!;
    default:
      return aggregation satisfies never;
  }
}
