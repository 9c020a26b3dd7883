import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  formatDecimal,
  multiplyDecimals,
  negateDecimal,
  parseDecimal,
} from '../decimal/decimal.ts';
import {
  addToSketch,
  binOf,
  percentileOf,
  rankOf,
  relativeErrorMax,
  type Sketch,
  valueOfBin,
} from './sketch.ts';

const values = fc.oneof(
  fc.integer().map((n): Decimal => n),
  fc
    .tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: -400, max: 394 }))
    .map(([digits, exponent]) => parseDecimal(`${digits}e${exponent}`)!),
);
const percentiles = fc.integer({ min: 1, max: 100_000 }).map((thousandths) => thousandths / 1_000);

const magnitude = (value: Decimal) => (compareDecimals(value, 0) < 0 ? negateDecimal(value) : value);
const bound = parseDecimal(String(relativeErrorMax))!;

function expectNear(found: Decimal, exact: Decimal): void {
  const error = magnitude(addDecimals(found, negateDecimal(exact)));
  const errorMax = multiplyDecimals(magnitude(exact), bound);
  if (compareDecimals(error, errorMax) > 0)
    throw new Error(`${formatDecimal(found)} is more than 1 % off ${formatDecimal(exact)}`);
}

const sketchOf = (list: readonly Decimal[]): Sketch => {
  const sketch: Sketch = new Map();
  for (const value of list) addToSketch(sketch, new Map([[binOf(value), 1]]));
  return sketch;
};

test('a percentile is within 1 % of the value at its rank, however values are spread and sketches added up', () => {
  fc.assert(
    fc.property(fc.array(values, { minLength: 1 }), fc.nat(), percentiles, (list, cut, percentile) => {
      const at = cut % list.length;
      const merged = sketchOf(list.slice(at));
      addToSketch(merged, sketchOf(list.slice(0, at)));
      expect(new Map([...merged].sort())).toEqual(new Map([...sketchOf(list)].sort()));
      const exact = list.toSorted(compareDecimals)[rankOf(percentile, list.length) - 1]!;
      expectNear(percentileOf(merged, percentile), exact);
    }),
    { numRuns: 1_000 },
  );
});

test('values of the most and fewest digits that events may have keep the bound', () => {
  for (const text of [
    '1e400',
    '1e-400',
    `1${'0'.repeat(998)}`,
    `0.${'0'.repeat(900)}7`,
    '1.7976931348623157e308',
    '5e-324',
  ])
    for (const value of [parseDecimal(text)!, parseDecimal(`-${text}`)!])
      expectNear(valueOfBin(binOf(value)), value);
  expect(valueOfBin(binOf(0))).toBe(0);
});

test('ranks are those of whole thousandths of a percent', () => {
  expect(rankOf(99.9, 1_000)).toBe(999);
  expect(rankOf(50, 1)).toBe(1);
  expect(rankOf(50, 4)).toBe(2);
  expect(rankOf(0.001, 10)).toBe(1);
  expect(rankOf(95, 8_928)).toBe(8_482);
  expect(rankOf(100, 7)).toBe(7);
});
