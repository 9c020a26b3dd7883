import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { bucketOf, hourUs, minuteUs, planCuts, withoutMinutes } from './plan.ts';

const instants = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map((hours) => hours * hourUs),
  fc.integer({ min: 0, max: 360 }).map((minutes) => minutes * minuteUs),
  fc.integer({ min: 0, max: 6 * hourUs }),
);
const cutLists = fc
  .uniqueArray(instants, { minLength: 2, maxLength: 8 })
  .map((cuts) => cuts.sort((a, b) => a - b));

test('every minute between the cuts is read once: in a whole hour, by itself, or raw', () => {
  fc.assert(
    fc.property(cutLists, fc.func(fc.boolean()), (cuts, isRaw) => {
      const plan = planCuts(cuts);
      const raw = plan.divided.filter((minute) => isRaw(minute));
      const minutes = withoutMinutes(plan.minutes, raw);
      const [from, to] = [cuts[0]!, cuts.at(-1)!];
      for (let minute = 0; minute < 6 * hourUs; minute += minuteUs) {
        const hour = Math.floor(minute / hourUs) * hourUs;
        const inHour =
          plan.hours !== 'none' &&
          hour >= from &&
          hour < to &&
          bucketOf(cuts, hour) === bucketOf(cuts, hour + hourUs - 1);
        const alone = minutes.filter((range) => minute >= range.fromUs && minute < range.toUs).length;
        const times = (inHour ? 1 : 0) + alone + (raw.includes(minute) ? 1 : 0);
        const wanted = minute + minuteUs > from && minute < to;
        expect([minute, times]).toEqual([minute, wanted ? 1 : 0]);
        if (plan.hours === 'all' && wanted) expect(inHour).toBe(true);
      }
      for (const minute of plan.divided) {
        expect(cuts.some((cut) => cut > minute && cut < minute + minuteUs)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('buckets are those of width_bucket', () => {
  expect([0, 9, 10, 19, 20, 30, 31].map((us) => bucketOf([10, 20, 30], us))).toEqual([0, 0, 1, 1, 2, 3, 3]);
});
