import { compareDecimals, type Decimal, decimalOfNumber, parseDecimal } from '@usage/lib/decimal/decimal.ts';
import type { AnswerRow } from './answer.ts';

/** What the value of a row must be; undefined = anything. */
export interface ValueBounds {
  gt: Decimal | undefined;
  gte: Decimal | undefined;
  lt: Decimal | undefined;
  lte: Decimal | undefined;
}

type Given = Partial<Record<'valueGt' | 'valueGte' | 'valueLt' | 'valueLte', string | number>>;

/** Of a valid request; undefined where it has none. */
export function valueBounds({ valueGt, valueGte, valueLt, valueLte }: Given): ValueBounds | undefined {
  const bounds = { gt: read(valueGt), gte: read(valueGte), lt: read(valueLt), lte: read(valueLte) };
  return Object.values(bounds).some((bound) => bound !== undefined) ? bounds : undefined;
}

export function withinBounds(rows: readonly AnswerRow[], bounds: ValueBounds): AnswerRow[] {
  const { gt, gte, lt, lte } = bounds;
  return rows.filter(
    ({ value }) =>
      (gt === undefined || compareDecimals(value, gt) > 0) &&
      (gte === undefined || compareDecimals(value, gte) >= 0) &&
      (lt === undefined || compareDecimals(value, lt) < 0) &&
      (lte === undefined || compareDecimals(value, lte) <= 0),
  );
}

function read(given: string | number | undefined): Decimal | undefined {
  if (given === undefined) return undefined;
  return typeof given === 'number' ? decimalOfNumber(given) : parseDecimal(given);
}
