import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  checkAnchor,
  type WindowSize,
  WindowsError,
  windowBoundaries,
  windowSizes,
  windowsMax,
} from './windows.ts';

const at = (text: string) => Date.parse(text) * 1000;
const texts = (boundaries: number[]) => boundaries.map((us) => new Date(us / 1000).toISOString());

describe('windows', () => {
  test('cover the range and nothing in excess', () => {
    const range = {
      fromUs: at('2025-03-01T00:30:00Z'),
      toUs: at('2025-03-01T02:00:00Z'),
      size: 'HOUR',
      zone: 'UTC',
    } as const;
    expect(texts(windowBoundaries(range))).toEqual([
      '2025-03-01T00:00:00.000Z',
      '2025-03-01T01:00:00.000Z',
      '2025-03-01T02:00:00.000Z',
    ]);
  });

  test('of a repeated hour are two, of a skipped one none', () => {
    const zone = 'America/Los_Angeles';
    const back = windowBoundaries({
      fromUs: at('2024-11-03T08:00:00Z'),
      toUs: at('2024-11-03T10:00:00Z'),
      size: 'HOUR',
      zone,
    });
    expect(back).toHaveLength(3);
    const forth = windowBoundaries({
      fromUs: at('2024-03-10T09:00:00Z'),
      toUs: at('2024-03-10T11:00:00Z'),
      size: 'HOUR',
      zone,
    });
    expect(forth).toHaveLength(3);
    const days = windowBoundaries({
      fromUs: at('2024-11-03T07:00:00Z'),
      toUs: at('2024-11-04T08:00:00Z'),
      size: 'DAY',
      zone,
    });
    expect(texts(days)).toEqual(['2024-11-03T07:00:00.000Z', '2024-11-04T08:00:00.000Z']);
  });

  test("of Lord Howe's half-hour change last 90 and 30 minutes", () => {
    const zone = 'Australia/Lord_Howe';
    const lengths = (fromUs: number, toUs: number) => {
      const b = windowBoundaries({ fromUs, toUs, size: 'HOUR', zone });
      return b.slice(1).map((end, i) => (end - b[i]!) / 60e6);
    };
    expect(lengths(at('2024-04-06T13:00:00Z'), at('2024-04-06T16:30:00Z'))).toEqual([60, 90, 60]);
    expect(lengths(at('2024-10-05T14:30:00Z'), at('2024-10-05T17:00:00Z'))).toEqual([60, 30, 60]);
  });

  test('skip the date that Samoa skipped', () => {
    const days = windowBoundaries({
      fromUs: at('2011-12-29T10:00:00Z'),
      toUs: at('2011-12-31T10:00:00Z'),
      size: 'DAY',
      zone: 'Pacific/Apia',
    });
    expect(texts(days)).toEqual([
      '2011-12-29T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
    ]);
  });

  test('never go backwards where the clock is set back across midnight', () => {
    // St John's went from 00:01 back to 23:01 of the day before.
    const days = windowBoundaries({
      fromUs: at('2010-11-07T02:45:00Z'),
      toUs: at('2010-11-08T00:00:00Z'),
      size: 'DAY',
      zone: 'America/St_Johns',
    });
    expect(texts(days)).toEqual(['2010-11-07T02:30:00.000Z', '2010-11-08T03:30:00.000Z']);
  });

  test('beyond the limit are an error that says the number and what to do', () => {
    const range = { fromUs: 0, toUs: at('2020-01-01T00:00:00Z'), size: 'MINUTE', zone: 'UTC' } as const;
    expect(() => windowBoundaries(range)).toThrow(WindowsError);
    expect(() => windowBoundaries(range)).toThrow(
      /26297280 windows of a minute, more than 50000: narrow from and to/,
    );
    const most = { ...range, toUs: windowsMax * 60e6 };
    expect(windowBoundaries(most)).toHaveLength(windowsMax + 1);
    expect(() => windowBoundaries({ ...most, fromUs: 1, toUs: most.toUs + 1 })).toThrow(/50001/);
  });

  test('of a billing period begin on its day, in short months on the last one, and at its hour', () => {
    const range = {
      fromUs: at('2026-01-31T00:00:00Z'),
      toUs: at('2026-05-01T00:00:00Z'),
      zone: 'Europe/Berlin',
    };
    expect(texts(windowBoundaries({ ...range, size: 'MONTH', anchor: '2025-10-31T06:00' }))).toEqual([
      '2025-12-31T05:00:00.000Z',
      '2026-01-31T05:00:00.000Z',
      '2026-02-28T05:00:00.000Z',
      '2026-03-31T04:00:00.000Z',
      '2026-04-30T04:00:00.000Z',
      '2026-05-31T04:00:00.000Z',
    ]);
    const years = { ...range, size: 'YEAR', zone: 'UTC', anchor: '2024-02-29' } as const;
    expect(texts(windowBoundaries(years))).toEqual([
      '2025-02-28T00:00:00.000Z',
      '2026-02-28T00:00:00.000Z',
      '2027-02-28T00:00:00.000Z',
    ]);
  });

  test('have no anchor below a day, and only a date and time that exist for one', () => {
    expect(() => checkAnchor('HOUR', '2026-01-31')).toThrow(/no anchor/);
    for (const anchor of ['2026-02-30', 'now', '2026-01-31T06:00Z', '2026-13-01', ''])
      expect(() => checkAnchor('MONTH', anchor)).toThrow(/is no anchor: expected a local date/);
    checkAnchor('WEEK', '2026-01-31T06:30');
  });

  test('of an unknown zone are an error that names it', () => {
    for (const zone of ['Foo/Bar', '', 'x'.repeat(100_000), "UTC'; DROP TABLE events"]) {
      expect(() => windowBoundaries({ fromUs: 0, toUs: 1, size: 'DAY', zone })).toThrow(/unknown time zone/);
    }
  });

  test('cost little', () => {
    const spent = (run: () => unknown) => {
      for (let i = 0; i < 20; i++) run();
      const begun = performance.now();
      for (let i = 0; i < 20; i++) run();
      return (performance.now() - begun) / 20;
    };
    const zone = 'America/Los_Angeles';
    const month = {
      fromUs: at('2024-03-01T08:00:00Z'),
      toUs: at('2024-04-01T07:00:00Z'),
      size: 'DAY',
      zone,
    } as const;
    const year = {
      fromUs: at('2024-01-01T08:00:00Z'),
      toUs: at('2025-01-01T08:00:00Z'),
      size: 'HOUR',
      zone,
    } as const;
    expect(spent(() => windowBoundaries(month))).toBeLessThan(1); // 0.017 ms on an idle machine
    expect(spent(() => windowBoundaries(year))).toBeLessThan(5); // 0.03 ms
  });
});

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
