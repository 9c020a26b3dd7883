import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Quota } from './quota.ts';

/** Redis never answers: an app's own count alone. */
const silent = () => () => new Promise<never>(() => {});

test('what is left is shown to a thousandth of the window, and exactly where nothing is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.array(fc.integer({ min: 1, max: 50_000 }), { maxLength: 100 }),
      (points, takes) => {
        const quota = new Quota({ name: 'events', perSecond: points, burst: points }, silent);
        let left = points;
        for (const count of takes) {
          if (quota.take(count, 1_000)) left -= count;
          const [, shown, seconds] = /^"events";r=(\d+);t=(\d+)$/.exec(quota.left)!;
          expect(seconds).toBe('1');
          expect(Math.abs(Number(shown) - left)).toBeLessThanOrEqual(points / 1_000);
        }
        while (left > 0 && quota.take(Math.ceil(left / 2), 1_000)) left -= Math.ceil(left / 2);
        expect(quota.left).toBe('"events";r=0;t=1');
        expect(quota.take(1, 1_000)).toBe(false);
        expect(quota.take(1, 2_001)).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});
