import { expect, test } from 'bun:test';
import { medians } from './report.ts';

test('of several rounds each scenario shows the one with the median ratio, and all ratios', () => {
  const outcome = (name: string, ratio?: number) => ({
    name,
    ...(ratio === undefined ? {} : { ratio }),
    figures: { storedPerSecond: (ratio ?? 0) * 100 },
  });
  const outcomes = [0.7, 0.5, 0.9].flatMap((ratio) => [outcome('batch', ratio), outcome('soak')]);

  expect(medians(outcomes)).toEqual([
    { name: 'batch', ratio: 0.7, figures: { storedPerSecond: 70, ratios: '0.7, 0.5, 0.9' } },
    { name: 'soak', figures: { storedPerSecond: 0 } },
  ]);
});
