import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { compareTexts, isLike, passes, readTextFilter } from './textFilter.ts';

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_', '\\', '\u{1f600}'), maxLength: 8 });

describe('$like', () => {
  test('matches as a regular expression would', () => {
    fc.assert(
      fc.property(letters, letters, (text, pattern) => {
        const source = pattern.replace(
          /\\(.)|(\\$)|(%)|(_)|(.)/gsu,
          (_all, escaped, trailing, any, one, plain) =>
            any ? '.*' : one ? '.' : RegExp.escape(escaped ?? trailing ?? plain),
        );
        expect(isLike(text, pattern)).toBe(new RegExp(`^${source}$`, 'su').test(text));
      }),
      { numRuns: 3_000 },
    );
  });

  test('can not be made to hang', () => {
    const begunMs = performance.now();
    expect(isLike('a'.repeat(1_000), `${'%a'.repeat(500)}%b`)).toBe(false);
    expect(performance.now() - begunMs).toBeLessThan(500);
  });
});

test('texts are ordered as their UTF-8 bytes are', () => {
  const texts = fc.string({ unit: 'binary', maxLength: 4 });
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      expect(Math.sign(compareTexts(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2_000 },
  );
  expect(compareTexts('\u{1f600}', '\ufffd')).toBeGreaterThan(0);
});

test('several operators in one object must all pass, null and empty ones are left out', () => {
  const filter = readTextFilter({ $gte: 'b', $lt: 'd', $eq: null })!;
  expect(['a', 'b', 'c', 'd'].filter((text) => passes(filter, text))).toEqual(['b', 'c']);
  expect(readTextFilter({})).toBeUndefined();
  expect(readTextFilter({ $eq: null })).toBeUndefined();
});

test('what is no filter is refused with a reason', () => {
  let deep: unknown = { $eq: 'x' };
  for (let i = 0; i < 10; i++) deep = { $and: [deep] };
  for (const [json, reason] of [
    ['x', 'expected an object'],
    [[], 'expected an object'],
    [{ eq: 'x' }, 'unknown operator "eq"'],
    [{ $in: 'x' }, '$in: expected a list'],
    [{ $in: Array(1_001).fill('x') }, 'more than 1000 values'],
    [{ $eq: 1 }, '$eq: expected a text'],
    [{ $eq: 'a\0' }, 'NUL'],
    [{ $or: [{ $like: '\ud800' }] }, 'half a surrogate pair'],
    [deep, 'nested deeper than 5'],
    [{ $or: Array(101).fill({ $like: '%a' }) }, 'more than 100 operators'],
  ] as const) {
    expect(() => readTextFilter(json)).toThrow(reason);
  }
});
