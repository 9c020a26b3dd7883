import { describe, expect, test } from 'bun:test';
import { day, grant, hour, t1, utcDays } from '@usage/tests/support/grants.ts';
import { burnDownInput } from './start.ts';
import { Resets } from './usagePeriods.ts';

describe('usage periods', () => {
  const resets = new Resets(
    {
      startUs: t1 + 5 * hour,
      recurrence: utcDays,
      manual: [
        { atUs: t1 + 2.5 * day, movesAnchor: false, preserveOverage: true },
        { atUs: t1 + 4.25 * day, movesAnchor: true, preserveOverage: false },
      ],
    },
    false,
  );

  test('begin with the start, are cut by resets, and follow a moved anchor', () => {
    expect(resets.periodAt(t1)).toEqual({ fromUs: t1 + 5 * hour, toUs: t1 + day });
    expect(resets.periodAt(t1 + 2.2 * day)).toEqual({ fromUs: t1 + 2 * day, toUs: t1 + 2.5 * day });
    expect(resets.periodAt(t1 + 2.5 * day)).toEqual({ fromUs: t1 + 2.5 * day, toUs: t1 + 3 * day });
    expect(resets.periodAt(t1 + 4.5 * day)).toEqual({ fromUs: t1 + 4.25 * day, toUs: t1 + 5.25 * day });
    expect(resets.between(t1, t1 + 5.25 * day).map(({ atUs }) => (atUs - t1) / day)).toEqual([
      1, 2, 2.5, 3, 4, 4.25, 5.25,
    ]);
  });

  test('the last reset before a time is the last of those between', () => {
    for (let us = t1; us < t1 + 7 * day; us += hour / 2) {
      expect(resets.lastAt(us)).toEqual(resets.between(t1, us).at(-1));
      expect(resets.before(us)).toEqual(resets.between(t1, us - 1).at(-1));
    }
  });

  test('with fixed amounts nothing is read of the periods before', () => {
    const issued = grant('1', { maxRollover: 100, minRollover: 100, expiresAtUs: undefined });
    const now = { beginUs: t1 + 3.5 * day, untilUs: t1 + 3.5 * day };
    expect(burnDownInput([issued], resets, 'flow', now).startUs).toBe(t1 + 3 * day);
    const rolling = grant('2', { maxRollover: 50, expiresAtUs: undefined });
    expect(burnDownInput([rolling], resets, 'flow', now).startUs).toBe(t1 + 5 * hour);
  });
});
