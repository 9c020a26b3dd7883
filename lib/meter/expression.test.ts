import { describe, expect, test } from 'bun:test';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import fc from 'fast-check';
import { compileExpression } from './expression.ts';

const worthOf = (text: string, data: unknown) => {
  const value = compileExpression(text).evaluate(data);
  return typeof value === 'string' ? value : formatDecimal(value);
};
const shown = (text: string, data: unknown) => String(worthOf(text, data));

describe('an expression', () => {
  test('is exact arithmetic over JSONPaths', () => {
    const data = { started: 100, ended: '460.5', replicas: 3, 'a b': [1, { c: 0.1 }], d: 0.2 };
    expect(shown('($.ended - $.started) * $.replicas / 3600', data)).toBe('0.3004166666666666667');
    expect(shown("$['a b'][1].c + $.d", data)).toBe('0.3');
    expect(shown("$['a b'][-2] - 2 * 3", data)).toBe('-5');
    expect(shown('-$.d * -1e3', data)).toBe('200');
  });

  test('knows a few functions', () => {
    const data = { a: -2.5, b: '7', at: '2026-01-01T00:00:00.000001Z', until: '2026-01-01T00:00:01Z' };
    expect(shown('abs($.a)', data)).toBe('2.5');
    expect([shown('floor($.a)', data), shown('ceil($.a)', data)]).toEqual(['-3', '-2']);
    expect([shown('min($.a, $.b, 1)', data), shown('max($.a, $.b)', data)]).toEqual(['-2.5', '7']);
    expect(shown('time($.until) - time($.at)', data)).toBe('0.999999');
  });

  test('says why an event has no value', () => {
    expect(worthOf('$.a / $.b', { a: 1, b: '0.00' })).toBe('division by zero');
    expect(worthOf('$.a + $.b', { a: 1 })).toBe('missing value: $.b');
    expect(worthOf('$.a', { a: null })).toBe('value cannot be null: $.a');
    expect(worthOf('$.a', { a: 'x' })).toBe('value cannot be parsed as a number: x ($.a)');
    expect(worthOf('time($.a)', { a: 5 })).toBe('expected an RFC 3339 time ($.a)');
    expect(worthOf('$.a * $.a * $.a * $.a', { a: '9'.repeat(300) })).toBe('value has more than 1000 digits');
    expect(worthOf('$.constructor', {})).toBe('missing value: $.constructor');
  });

  test('that is not understood is refused with what is wrong and where', () => {
    for (const [text, message] of [
      ['$.a +', /not understood at character 6/],
      ['1 + 2', /no JSONPath/],
      ['tokens * 2', /begins with \$, like \$\.tokens/],
      ['$.a % 2', /operator %/],
      ['$.a > 1', /operator >/],
      ['!$.a', /operator !/],
      ['$.a ? 1 : 2', /ConditionalExpression/],
      ['"7" * $.a', /no decimal number/],
      ['sqrt($.a)', /calls sqrt: abs, floor/],
      ['constructor($.a)', /calls constructor/],
      ['abs($.a, $.b)', /abs takes one value/],
      ['time(5)', /time takes one JSONPath/],
      ['$', /must name a member/],
      ['$[$.a]', /brackets hold a name or an index/],
      ['$.a?.b', /\?\. is not taken/],
      [Array(70).fill('$.a').join('+'), /more than 64/],
      ['$.a'.padEnd(2_000), /longer than 1024/],
    ] as const)
      expect(() => compileExpression(text)).toThrow(message);
  });

  test('reads no more of the data than the members it names', () => {
    expect(compileExpression('$.a.b + $.c').members).toEqual(['a', 'c']);
    expect(compileExpression('$[0] + $.c').members).toBeUndefined();
  });
});

type Tree = string | { operator: '+' | '-' | '*' | '/'; left: Tree; right: Tree };

/** Tenths and hundredths as BigInt fractions; every quotient rounded half away from zero to 19 decimals. */
function oracle(tree: Tree): bigint | undefined {
  const one = 10n ** 76n;
  const round = (value: bigint, digits: bigint) => {
    const unit = one / 10n ** digits;
    const half = value < 0n ? -unit / 2n : unit / 2n;
    return ((value + half) / unit) * unit;
  };
  if (typeof tree === 'string')
    return (BigInt(tree.replace('.', '')) * one) / 10n ** BigInt(tree.split('.')[1]?.length ?? 0);
  const [left, right] = [oracle(tree.left), oracle(tree.right)];
  if (left === undefined || right === undefined) return undefined;
  switch (tree.operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return (left * right) / one;
    case '/':
      return right === 0n ? undefined : round((left * one) / right, 19n);
  }
}

const { tree } = fc.letrec<{ tree: Tree; leaf: string }>((tie) => ({
  leaf: fc.integer({ min: -99_999, max: 99_999 }).map((cents) => (cents / 100).toFixed(2)),
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.record({ operator: fc.constantFrom('+', '-', '*', '/'), left: tie('tree'), right: tie('tree') }),
  ),
}));

test('random expressions come to what fractions of BigInt come to', () => {
  let quotients = 0;
  fc.assert(
    fc.property(tree, (given) => {
      const data: Record<string, string> = {};
      const write = (node: Tree): string => {
        if (typeof node === 'string') {
          const name = `v${Object.keys(data).length}`;
          data[name] = node;
          return `$.${name}`;
        }
        if (node.operator === '/') quotients++;
        return `(${write(node.left)} ${node.operator} ${write(node.right)})`;
      };
      const text = write(given);
      fc.pre(depthOf(given) <= 3 && Object.keys(data).length <= 12);
      const expected = oracle(given);
      const found = compileExpression(text).evaluate(data);
      if (expected === undefined) expect(found).toBe('division by zero');
      else {
        // Three levels of products of 19 decimals fit the oracle's 76.
        const digits = formatDecimal(found as never);
        expect(oracle(digits)).toBe(expected);
      }
    }),
    { numRuns: 500 },
  );
  expect(quotients).toBeGreaterThan(50);
});

function depthOf(node: Tree): number {
  return typeof node === 'string' ? 0 : 1 + Math.max(depthOf(node.left), depthOf(node.right));
}
