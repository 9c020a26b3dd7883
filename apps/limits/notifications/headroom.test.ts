import { expect, test } from 'bun:test';
import type { Threshold } from '@usage/db/notifications/rules.ts';
import { decimalOfNumber, subtractDecimals, toNumber } from '@usage/lib/decimal/decimal.ts';
import fc from 'fast-check';
import { Headroom } from './headroom.ts';
import { heldAgainst } from './thresholds.ts';

const types = ['PERCENT', 'NUMBER', 'balance_value', 'usage_percentage', 'usage_value'] as const;
const amount = fc.integer({ min: 0, max: 200_000 }).map((cents) => cents / 100);
const thresholds = fc.array(fc.record({ type: fc.constantFrom(...types), value: amount }), {
  minLength: 1,
  maxLength: 6,
});

test('less than the headroom reaches nothing, however it is shared between usage now and grants that late usage takes', () => {
  fc.assert(
    fc.property(
      thresholds,
      amount,
      amount,
      amount,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (given, usage, balance, granted, share) => {
        const measured = { usage, balance, granted };
        const decimals = (one: typeof measured) => ({
          usage: decimalOfNumber(one.usage),
          balance: decimalOfNumber(one.balance),
          granted: decimalOfNumber(one.granted),
        });
        const { reached, headroom } = heldAgainst(given as Threshold[], decimals(measured));
        const all = headroom === undefined ? 100_000 : toNumber(headroom).number * (1 - 1e-6);
        const [now, late] = [all * share, all * (1 - share)];
        const after = { usage: usage + now, balance: balance - now - late, granted: granted - late };
        expect(
          heldAgainst(given as Threshold[], decimals(after)).reached.filter((one) => !reached.includes(one)),
        ).toEqual([]);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('exactly the headroom reaches the next threshold', () => {
  const given: Threshold[] = [{ type: 'usage_value', value: 10 }];
  const { headroom } = heldAgainst(given, { usage: 4, balance: undefined, granted: undefined });
  expect(headroom).toBe(6);
  expect(subtractDecimals(headroom!, 6)).toBe(0);
});

test('what was added is taken; a look is needed where nothing is left, known, or right any more', () => {
  const headroom = new Headroom();
  expect(headroom.take('a', 't', 0)).toBe(false);
  headroom.set('a', 't', 10);
  expect(headroom.take('a', 't', 6)).toBe(true);
  expect(headroom.take('a', 'another', 0)).toBe(false);
  expect(headroom.take('a', 't', 4)).toBe(false);
  headroom.set('a', 't', undefined);
  expect(headroom.take('a', 't', Number.POSITIVE_INFINITY)).toBe(true);
  headroom.clear();
  expect(headroom.take('a', 't', 0)).toBe(false);
});
