import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type WindowSize, windowBoundaries, windowSizes } from './windows.ts';

const texts = (boundaries: number[]) => boundaries.map((us) => new Date(us / 1000).toISOString());

const zones = [
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'America/Los_Angeles',
  'Asia/Kathmandu',
  'America/Sao_Paulo', // skips midnight
  'America/Havana', // repeats midnight
  'America/St_Johns', // set back across midnight
  'Pacific/Apia', // skipped 2011-12-30
  'Africa/Monrovia', // -00:44:30 until 1972-01-07
  'Africa/Casablanca',
  'UTC',
];
const dayMs = 86400e3;
const spanMs: Record<WindowSize, number> = {
  MINUTE: 3 * 3600e3,
  PT5M: 6 * 3600e3,
  PT15M: dayMs,
  PT30M: 2 * dayMs,
  HOUR: 3 * dayMs,
  PT3H: 6 * dayMs,
  PT6H: 8 * dayMs,
  PT12H: 10 * dayMs,
  DAY: 12 * dayMs,
  WEEK: 60 * dayMs,
  MONTH: 120 * dayMs,
  QUARTER: 400 * dayMs,
  YEAR: 1_000 * dayMs,
};

const ranges = fc
  .record({
    zone: fc.constantFrom(...zones),
    size: fc.constantFrom<WindowSize>(...windowSizes),
    aroundMs: fc.integer({ min: Date.parse('1970-06-01'), max: Date.parse('2040-01-01') }),
    atChange: fc.boolean(),
    before: fc.double({ min: 0, max: 1, noNaN: true }),
    aligned: fc.boolean(),
    length: fc.double({ min: 0.01, max: 1, noNaN: true }),
  })
  .map(({ zone, size, aroundMs, atChange, before, aligned, length }) => {
    const change =
      atChange &&
      Temporal.Instant.fromEpochMilliseconds(aroundMs).toZonedDateTimeISO(zone).getTimeZoneTransition('next');
    const middleMs = change ? change.epochMilliseconds : aroundMs;
    let fromMs = Math.floor(middleMs - before * spanMs[size]);
    let toMs = fromMs + Math.ceil(length * spanMs[size]);
    if (aligned) {
      fromMs -= fromMs % 1800e3;
      toMs = fromMs + 1800e3 * Math.ceil((toMs - fromMs) / 1800e3);
    }
    return { zone, size, fromMs, toMs };
  });

test('windows are those of a clock that is watched every half minute', () => {
  fc.assert(
    fc.property(ranges, ({ zone, size, fromMs, toMs }) => {
      const found = windowBoundaries({ fromUs: fromMs * 1000, toUs: toMs * 1000, size, zone });
      expect(found[0]!).toBeLessThanOrEqual(fromMs * 1000);
      expect(found.at(-1)!).toBeGreaterThanOrEqual(toMs * 1000);
      expect(texts(found)).toEqual(texts(watched(size, zone, fromMs, toMs).map((ms) => ms * 1000)));
    }),
    { numRuns: 100 },
  );
}, 60_000);

/** Watches the wall clock by Intl, in steps that no change of an offset since 1970 falls between. */
function watched(size: WindowSize, zone: string, fromMs: number, toMs: number): number[] {
  const fineMs = 30_000;
  const stepMs = { MINUTE: 60e3, PT5M: 300e3, PT15M: 900e3, PT30M: 1800e3, HOUR: 3600e3 }[size as string];
  const isLong = ['WEEK', 'MONTH', 'QUARTER', 'YEAR'].includes(size);
  const coarseMs = stepMs === undefined ? (isLong ? dayMs / 2 : 3600e3) : Math.max(fineMs, stepMs / 10);
  const clock = wallClock(zone);
  const leadMs =
    stepMs === undefined ? { ...spanMs, YEAR: 400 * dayMs, QUARTER: 100 * dayMs }[size] : 6 * stepMs;
  const starts: number[] = [];
  let shownLast = Number.NEGATIVE_INFINITY;
  const look = (ms: number, previousMs: number) => {
    if (stepMs === undefined) {
      const shown = shownWindow(size, clock(ms));
      if (shown > shownLast) starts.push(ms);
      shownLast = Math.max(shownLast, shown);
      return;
    }
    const full = clock(ms) % stepMs === 0;
    const jumpedOver =
      clock(ms) - clock(previousMs) > ms - previousMs &&
      Math.floor(clock(ms) / stepMs) > Math.floor(clock(previousMs) / stepMs);
    if (full || jumpedOver) starts.push(ms);
  };

  const beginMs = Math.floor((fromMs - leadMs) / 3600e3) * 3600e3;
  for (let ms = beginMs; ; ms += coarseMs) {
    const regular = clock(ms + coarseMs) - clock(ms) === coarseMs;
    const quiet =
      stepMs === undefined
        ? regular && shownWindow(size, clock(ms)) === shownWindow(size, clock(ms + coarseMs))
        : regular && clock(ms) % coarseMs === 0;
    for (let fine = ms; fine < ms + coarseMs; fine += fineMs) {
      look(fine, fine - fineMs);
      if (quiet) break;
    }
    if (starts.length > 1 && starts.at(-1)! >= toMs) break;
  }
  const first = starts.findLastIndex((ms) => ms <= fromMs);
  const last = starts.findIndex((ms, i) => i > first && ms >= toMs);
  return starts.slice(first, last + 1);
}

/** A number for the window that a wall clock shows, greater for later ones. */
function shownWindow(size: WindowSize, localMs: number): number {
  const date = new Date(localMs);
  const month = date.getUTCFullYear() * 12 + date.getUTCMonth();
  switch (size) {
    case 'PT3H':
      return Math.floor(localMs / (3 * 3600e3));
    case 'PT6H':
      return Math.floor(localMs / (6 * 3600e3));
    case 'PT12H':
      return Math.floor(localMs / (12 * 3600e3));
    case 'DAY':
      return Math.floor(localMs / dayMs);
    case 'WEEK':
      return Math.floor((localMs / dayMs + 3) / 7); // 1970 began on a Thursday
    case 'MONTH':
      return month;
    case 'QUARTER':
      return Math.floor(month / 3);
    case 'YEAR':
      return date.getUTCFullYear();
    default:
      throw new Error(`${size} is watched by its multiples`);
  }
}

function wallClock(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    calendar: 'iso8601',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  const known = new Map<number, number>();
  return (ms) => {
    let local = known.get(ms);
    if (local === undefined) {
      const part = Object.fromEntries(
        format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]),
      );
      local = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
      known.set(ms, local);
    }
    return local;
  };
}
