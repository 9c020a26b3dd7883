import { expect, test } from 'bun:test';
import { barStarts, barWidth, stacked } from '../../apps/console/src/chart/placement.ts';

/** What the console's charts draw, as numbers. */
test('stacked series end at their sum; the period before is a line of its own, at its own height', () => {
  const all = stacked([
    { label: 'a', values: [1, 2, null] },
    { label: 'b', values: [10, null, 30] },
    { label: 'before', values: [5, 5, 5], dashed: true },
  ]);
  expect(all.map(({ label, values }) => [label, values])).toEqual([
    ['b', [11, 2, 30]],
    ['a', [1, 2, 0]],
    ['before', [5, 5, 5]],
  ]);
});

test('bars of one time stand side by side around it, and none covers another, however many there are', () => {
  const times = [0, 100, 200];
  for (const bars of [1, 2, 3, 8]) {
    const width = barWidth(times, bars, 1);
    const starts = Array.from({ length: bars }, (_, at) => barStarts(times, at, bars, width)[1]!);
    for (const [at, start] of starts.entries()) expect(start).toBeCloseTo(starts[0]! + at * width);
    expect((starts[0]! + starts.at(-1)! + width) / 2).toBeCloseTo(100);
    expect(bars * width).toBeLessThanOrEqual(100);
  }
  expect(barWidth([0], 1, 2)).toBe(140);
});
