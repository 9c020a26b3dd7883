import { describe, expect, test } from 'bun:test';
import { checkAnchor, WindowsError, windowBoundaries, windowsMax } from './windows.ts';

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
