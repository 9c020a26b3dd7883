import { type Decimal, formatDecimal, readDecimal } from '../decimal/decimal.ts';

/**
 * How many values of some events are of about which size, for percentiles: a DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and
 * Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", PVLDB 12(12), 2019) without its limit on bins, so that
 * sketches add up to the same one in any order, bin by bin, in SQL as well. Bin i holds the values in (γ^(i-1), γ^i]; values
 * below zero have bins of their own, and so has zero.
 *
 * By bin, how many values; the bins are numbered in the order of the values in them.
 */
export type Sketch = Map<number, number>;

/** A percentile is off by at most this share of the value that is at its rank. */
export const relativeErrorMax = 0.01;
/** A hair less, so that rounding to `digitsKept` stays within the bound. */
const relativeError = relativeErrorMax - 1e-5;
const digitsKept = 6;
const logGamma = Math.log((1 + relativeError) / (1 - relativeError));
/** What γ^i is multiplied by for the value that stands for bin i. */
const logMiddle = Math.log(1 - relativeError);
/** Added to i, so that all bins of positive values are greater than 0: room for values of 10^±8,600. */
const offset = 1_000_000;
const zeroBin = 0;
/** Digits that a double holds. */
const doubleDigits = 17;

/** The bin that a value belongs into. */
export function binOf(value: Decimal): number {
  const log = logOf(value);
  if (log === undefined) return zeroBin;
  const i = Math.ceil(log / logGamma);
  const bin = Math.min(Math.max(i + offset, 1), 2 * offset);
  return isNegative(value) ? -bin : bin;
}

/** The value that stands for a bin: within relativeErrorMax of each value in it. */
export function valueOfBin(bin: number): Decimal {
  if (bin === zeroBin) return 0;
  const log10 = ((Math.abs(bin) - offset) * logGamma + logMiddle) / Math.LN10;
  const exponent = Math.floor(log10) - digitsKept + 1;
  const digits = Math.round(10 ** (log10 - exponent));
  const sign = bin < 0 ? '-' : '';
  if (exponent >= 0) return readDecimal(`${sign}${digits}${'0'.repeat(exponent)}`);
  const text = String(digits).padStart(1 - exponent, '0');
  return readDecimal(`${sign}${text.slice(0, exponent)}.${text.slice(exponent)}`);
}

export function addToSketch(into: Sketch, from: Sketch): void {
  for (const [bin, count] of from) into.set(bin, (into.get(bin) ?? 0) + count);
}

/** The percentile (above 0, to 100, of at most 3 decimals) of the values; there is at least one. */
export function percentileOf(sketch: Sketch, percentile: number): Decimal {
  const bins = [...sketch.keys()].sort((a, b) => a - b);
  let left = rankOf(
    percentile,
    bins.reduce((sum, bin) => sum + sketch.get(bin)!, 0),
  );
  for (const bin of bins) {
    left -= sketch.get(bin)!;
    if (left <= 0) return valueOfBin(bin);
  }
  throw new Error('percentile of no values');
}

export const percentileDecimalsMax = 3;

/**
 * Which of `count` values in ascending order, counted from 1, is their percentile (the nearest rank): the least value that so many
 * percent of all are not above.
 */
export function rankOf(percentile: number, count: number): number {
  const unit = 10 ** percentileDecimalsMax;
  return Math.max(1, Math.ceil((Math.round(percentile * unit) * count) / (100 * unit)));
}

function isNegative(value: Decimal): boolean {
  return typeof value === 'number' ? value < 0 : value.coefficient < 0n;
}

/** Natural logarithm of the magnitude; undefined for zero. */
function logOf(value: Decimal): number | undefined {
  if (typeof value === 'number') return value === 0 ? undefined : Math.log(Math.abs(value));
  const number = Math.abs(Number(formatDecimal(value)));
  const isNormal = Number.isFinite(number) && number > 1e-300;
  if (isNormal) return Math.log(number);
  const digits = String(value.coefficient).replace('-', '');
  const power = digits.length - value.scale;
  return Math.log(Number(`0.${digits.slice(0, doubleDigits)}`)) + power * Math.LN10;
}
