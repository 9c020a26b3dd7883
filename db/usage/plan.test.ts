import { expect, test } from 'bun:test';
import { dayUs, hourUs, minuteUs } from '@usage/lib/windows/units.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import fc from 'fast-check';
import { bucketOf, floorTo, planCuts, withoutMinutes } from './plan.ts';
import type { TimeRange } from './sql/pieces.ts';

const spanDays = 4;
const steps = fc.constantFrom(dayUs, dayUs, 6 * hourUs, hourUs, minuteUs, 1);
const instants = fc
  .tuple(fc.integer({ min: 0, max: spanDays * dayUs }), steps)
  .map(([us, stepUs]) => floorTo(us, stepUs));
const cutLists = fc
  .uniqueArray(instants, { minLength: 2, maxLength: 8 })
  .map((cuts) => cuts.sort((a, b) => a - b));
const staleLists = fc.oneof(
  { weight: 2, arbitrary: fc.constant<number[]>([]) },
  {
    weight: 3,
    arbitrary: fc
      .uniqueArray(
        instants.map((us) => floorTo(us, minuteUs)),
        { maxLength: 5 },
      )
      .map((list) => list.sort((a, b) => a - b)),
  },
);
const marks = fc.option(
  fc.integer({ min: 0, max: spanDays + 1 }).map((days) => days * dayUs),
  { nil: undefined },
);

test('every minute between the cuts is read once: in a whole day or hour, by itself, or raw', () => {
  fc.assert(
    fc.property(cutLists, marks, fc.func(fc.boolean()), staleLists, (cuts, mark, isRaw, stale) => {
      const plan = planCuts(cuts, mark, stale);
      const divided = plan.divided.filter((minute) => isRaw(minute));
      const raw = new Set([...divided, ...plan.stale].sort((a, b) => a - b));
      const minutes = withoutMinutes(plan.minutes, [...raw]);
      const [from, to] = [cuts[0]!, cuts.at(-1)!];
      const within = (ranges: readonly TimeRange[], us: number) =>
        ranges.filter(({ fromUs, toUs }) => us >= fromUs && us < toUs).length;
      const whole = (start: number, lengthUs: number) =>
        bucketOf(cuts, start) === bucketOf(cuts, start + lengthUs - 1);
      for (let minute = 0; minute < spanDays * dayUs; minute += minuteUs) {
        const hour = floorTo(minute, hourUs);
        const inHour = !plan.hoursDivided || whole(hour, hourUs) ? within(plan.hours, hour) : 0;
        const inDay = within(plan.days, minute);
        const times = inDay + inHour + within(minutes, minute) + (raw.has(minute) ? 1 : 0);
        const wanted = minute + minuteUs > from && minute < to;
        if (times !== (wanted ? 1 : 0)) throw new Error(`minute ${minute / minuteUs} is read ${times} times`);
        if (stale.includes(minute) && wanted && !raw.has(minute))
          throw new Error(`stale ${minute / minuteUs} is not read raw`);
        if (inHour && !whole(hour, hourUs)) throw new Error(`hour ${hour / hourUs} is divided`);
      }
      for (let day = 0; day < spanDays * dayUs; day += dayUs) {
        const closed = mark !== undefined && day < mark;
        const bucket = bucketOf(cuts, day);
        const asked = bucket > 0 && bucket < cuts.length && whole(day, dayUs);
        const isStale = stale.some((minute) => floorTo(minute, dayUs) === day);
        expect([day, within(plan.days, day)]).toEqual([day, closed && asked && !isStale ? 1 : 0]);
      }
      for (const minute of plan.divided) {
        expect(cuts.some((cut) => cut > minute && cut < minute + minuteUs)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

const utc = (text: string) => Date.parse(text) * 1_000;

test('a UTC month of closed days is read from days alone', () => {
  const [from, to] = [utc('2026-10-01T00:00:00Z'), utc('2026-11-01T00:00:00Z')];
  expect(planCuts([from, to], to)).toEqual({
    days: [{ fromUs: from, toUs: to }],
    hours: [],
    hoursDivided: false,
    minutes: [],
    divided: [],
    stale: [],
  });
});

test('days from the mark on are read from hours', () => {
  const [from, mark, to] = ['2026-10-01T00:00:00Z', '2026-10-30T00:00:00Z', '2026-10-31T07:00:00Z'].map(
    utc,
  ) as [number, number, number];
  const { days, hours } = planCuts([from, to], mark);
  expect({ days, hours }).toEqual({
    days: [{ fromUs: from, toUs: mark }],
    hours: [{ fromUs: mark, toUs: to }],
  });
});

test('months of another zone are read from days but for the days that hold their bounds', () => {
  const cuts = windowBoundaries({
    fromUs: utc('2026-07-31T22:00:00Z'),
    toUs: utc('2026-10-31T23:00:00Z'),
    size: 'MONTH',
    zone: 'Europe/Berlin',
  });
  const { days, hours, minutes } = planCuts(cuts, utc('2027-01-01T00:00:00Z'));
  expect(days).toEqual([
    { fromUs: utc('2026-08-01T00:00:00Z'), toUs: utc('2026-08-31T00:00:00Z') },
    { fromUs: utc('2026-09-01T00:00:00Z'), toUs: utc('2026-09-30T00:00:00Z') },
    { fromUs: utc('2026-10-01T00:00:00Z'), toUs: utc('2026-10-31T00:00:00Z') },
  ]);
  expect(hours.map(({ fromUs, toUs }) => (toUs - fromUs) / hourUs)).toEqual([2, 24, 24, 23]);
  expect(minutes).toEqual([]);
});

test('days of another zone are read from hours', () => {
  const cuts = windowBoundaries({
    fromUs: utc('2026-08-01T18:30:00Z'),
    toUs: utc('2026-08-08T18:30:00Z'),
    size: 'DAY',
    zone: 'Asia/Kolkata',
  });
  const { days, hours, hoursDivided } = planCuts(cuts, utc('2027-01-01T00:00:00Z'));
  expect([days.length, hours.length, hoursDivided]).toEqual([0, 1, true]);
});

test('buckets are those of width_bucket', () => {
  expect([0, 9, 10, 19, 20, 30, 31].map((us) => bucketOf([10, 20, 30], us))).toEqual([0, 0, 1, 1, 2, 3, 3]);
});
