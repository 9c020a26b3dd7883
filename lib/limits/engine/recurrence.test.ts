import { describe, expect, test } from 'bun:test';
import { day, t1 } from '@usage/tests/support/grants.ts';
import { Instants, intervalIssue } from './recurrence.ts';

describe('recurrences', () => {
  const at = (text: string) => Date.parse(text) * 1_000;
  const texts = (us: number[]) => us.map((one) => new Date(one / 1_000).toISOString());

  test('stay at the same time of day where the clock is changed', () => {
    const instants = new Instants({
      interval: 'DAY',
      anchorUs: at('2026-03-28T08:00:00Z'),
      zone: 'Europe/Berlin',
    });
    expect(texts(instants.between(at('2026-03-28T00:00:00Z'), at('2026-03-31T00:00:00Z')))).toEqual([
      '2026-03-28T08:00:00.000Z',
      '2026-03-29T07:00:00.000Z',
      '2026-03-30T07:00:00.000Z',
    ]);
  });

  test('of a month from the 31st fall on the last day of shorter months', () => {
    const instants = new Instants({ interval: 'MONTH', anchorUs: at('2026-01-31T00:00:00Z'), zone: 'UTC' });
    expect(texts([0, 1, 2, 3].map((n) => instants.at(n)))).toEqual([
      '2026-01-31T00:00:00.000Z',
      '2026-02-28T00:00:00.000Z',
      '2026-03-31T00:00:00.000Z',
      '2026-04-30T00:00:00.000Z',
    ]);
    expect(instants.periodAt(at('2026-02-28T00:00:00Z') - 1)).toEqual({
      fromUs: at('2026-01-31T00:00:00Z'),
      toUs: at('2026-02-28T00:00:00Z'),
    });
  });

  test('before the anchor are counted back from it', () => {
    const instants = new Instants({ interval: 'P2W', anchorUs: t1, zone: 'UTC' });
    expect(instants.periodAt(t1 - 1)).toEqual({ fromUs: t1 - 14 * day, toUs: t1 });
  });

  test('shorter than an hour or in words that are none are refused', () => {
    expect(['DAY', 'P1M', 'PT1H', 'P2W'].map(intervalIssue)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    for (const wrong of ['PT59M', 'P0D', '-P1D', 'HOURLY', 'P200Y', ''])
      expect(intervalIssue(wrong)).toBeString();
  });
});
