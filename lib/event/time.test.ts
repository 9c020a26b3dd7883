import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatTimeUs, parseTimeUs, timeIssue } from './time.ts';

const endMs = Date.UTC(2200, 0, 1);
const timesUs = fc
  .tuple(fc.integer({ min: 0, max: endMs - 1 }), fc.integer({ min: 0, max: 999 }))
  .map(([ms, us]) => ms * 1000 + us);

describe('parseTimeUs', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0],
    ['2026-11-22T10:00:00.123Z', Date.UTC(2026, 10, 22, 10, 0, 0, 123) * 1000],
    ['2026-11-22t10:00:00z', Date.UTC(2026, 10, 22, 10) * 1000],
    ['2026-11-22T10:00:00.1Z', Date.UTC(2026, 10, 22, 10) * 1000 + 100_000],
    ['2026-11-22T10:00:00.1234569999999999999Z', Date.UTC(2026, 10, 22, 10) * 1000 + 123_456],
    ['2026-11-22T15:30:00+05:30', Date.UTC(2026, 10, 22, 10) * 1000],
    ['2026-11-22T10:00:00-00:00', Date.UTC(2026, 10, 22, 10) * 1000],
    ['2024-02-29T00:00:00-23:59', Date.UTC(2024, 1, 29, 23, 59) * 1000],
    ['1969-12-31T23:00:00-01:00', 0],
    ['2199-12-31T23:59:59.999999Z', endMs * 1000 - 1],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1) * 1000 - 1],
    ['2016-12-31T15:59:60.5-08:00', Date.UTC(2017, 0, 1) * 1000 - 1],
  ])('%s', (text, us) => {
    expect(parseTimeUs(text)).toBe(us);
    expect(timeIssue(text)).toBeUndefined();
  });

  test.each([
    ['', 'RFC 3339'],
    ['2026-11-22', 'RFC 3339'],
    ['2026-11-22 10:00:00Z', 'RFC 3339'],
    ['2026-11-22T10:00:00', 'RFC 3339'],
    ['2026-11-22T10:00Z', 'RFC 3339'],
    ['2026-11-22T10:00:00.Z', 'RFC 3339'],
    ['2026-11-22T10:00:00,5Z', 'RFC 3339'],
    ['2026-11-22T10:00:00+0530', 'RFC 3339'],
    ['2026-11-22T10:00:00Zx', 'RFC 3339'],
    [' 2026-11-22T10:00:00Z', 'RFC 3339'],
    ['12026-11-22T10:00:00Z', 'RFC 3339'],
    ['2026-11-22T1\u0660:00:00Z', 'RFC 3339'],
    ['2026-02-29T10:00:00Z', 'no such date'],
    ['2100-02-29T10:00:00Z', 'no such date'],
    ['2026-04-31T10:00:00Z', 'no such date'],
    ['2026-13-01T10:00:00Z', 'no such date'],
    ['2026-00-01T10:00:00Z', 'no such date'],
    ['2026-01-00T10:00:00Z', 'no such date'],
    ['2026-11-22T24:00:00Z', 'no such date'],
    ['2026-11-22T10:60:00Z', 'no such date'],
    ['2026-11-22T10:00:60Z', 'no such date'],
    ['2026-11-22T23:59:61Z', 'no such date'],
    ['2026-11-22T23:59:60+01:00', 'no such date'],
    ['2026-11-22T10:00:00+24:00', 'no such date'],
    ['1969-12-31T23:59:59.999999Z', '1970'],
    ['1970-01-01T00:00:00+00:01', '1970'],
    ['2200-01-01T00:00:00Z', '2200'],
    ['0000-01-01T00:00:00Z', '1970'],
    ['9999-12-31T23:59:59Z', '2200'],
  ])('refuses %s', (text, reason) => {
    expect(parseTimeUs(text)).toBeUndefined();
    expect(timeIssue(text)).toContain(reason);
  });

  test('reads every time that it has written', () => {
    fc.assert(fc.property(timesUs, (us) => parseTimeUs(formatTimeUs(us)) === us));
  });

  test('agrees with Date on every offset', () => {
    const offsets = fc.tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 1439 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 86_400_000, max: endMs - 86_400_001 }),
        offsets,
        (ms, [sign, minutes]) => {
          const clock = new Date(ms).toISOString().slice(0, -1);
          const pad = (n: number) => String(n).padStart(2, '0');
          const text = `${clock}${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
          return parseTimeUs(text) === Date.parse(text) * 1000;
        },
      ),
    );
  });

  test('takes any text without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const us = parseTimeUs(text);
        return (us === undefined) === (timeIssue(text) !== undefined);
      }),
    );
  });
});

test('formatTimeUs takes the shortest fraction that is exact', () => {
  const base = Date.UTC(2026, 10, 22, 10) * 1000;
  expect(formatTimeUs(base)).toBe('2026-11-22T10:00:00Z');
  expect(formatTimeUs(base + 120_000)).toBe('2026-11-22T10:00:00.120Z');
  expect(formatTimeUs(base + 7)).toBe('2026-11-22T10:00:00.000007Z');
});

test('formatTimeUs agrees with Date to the millisecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: endMs - 1 }), (ms) => {
      return formatTimeUs(ms * 1000) === new Date(ms).toISOString().replace('.000Z', 'Z');
    }),
  );
});
