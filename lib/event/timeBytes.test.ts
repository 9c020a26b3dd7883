import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatTimeUs, parseTimeUs } from './time.ts';
import { parseTimeUsAt } from './timeBytes.ts';

/** Two days, so that the one that was read last is often, and not always, the right one. */
const days = ['2026-11-22', '2016-12-31'];
const usual = fc
  .tuple(fc.constantFrom(...days), fc.integer({ min: 0, max: 86_399_999 }), fc.boolean())
  .map(([day, ms, withFraction]) => {
    const text = new Date(Date.parse(`${day}T00:00:00Z`) + ms).toISOString();
    return withFraction ? text : `${text.slice(0, 19)}Z`;
  });
/** One character of a usual text is another one. */
const damaged = fc
  .tuple(usual, fc.nat(23), fc.constantFrom(...'0123456789:.Z-+tTzx /\u00e9'))
  .map(([text, at, character]) => text.slice(0, at) + character + text.slice(at + 1));
const leapSecond = fc.constantFrom('2016-12-31T23:59:60Z', '2016-12-31T23:59:60.5Z', '2026-11-22T12:00:60Z');
const anyTime = fc.integer({ min: 0, max: 7_258_118_399_999_999 }).map(formatTimeUs);

test('a time read from bytes is the time read from their text', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(usual, damaged, leapSecond, anyTime), { minLength: 2 }), (texts) => {
      for (const text of texts) {
        const bytes = Buffer.from(`"${text}"`, 'latin1');
        expect([text, parseTimeUsAt(bytes, 1, bytes.length - 1)]).toEqual([text, parseTimeUs(text)]);
      }
    }),
    { numRuns: 2_000 },
  );
});
