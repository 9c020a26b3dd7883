import { describe, expect, test } from 'bun:test';
import { type BurnDown, burnDown, planPhases } from './burnDown.ts';
import type { Grant } from './grants.ts';
import { Instants, intervalIssue } from './recurrence.ts';
import { burnDownInput } from './start.ts';
import { Resets } from './usagePeriods.ts';

/** The figures of OpenMeter's engine tests (openmeter/credit/engine), and what they don't cover: exactness, zones, ties. */

const hour = 3_600_000_000;
const day = 24 * hour;
const t1 = Date.parse('2024-01-01T00:00:00Z') * 1_000;
const utcDays = { interval: 'DAY', anchorUs: t1, zone: 'UTC' };

function grant(id: string, more: Partial<Grant> = {}): Grant {
  return {
    id,
    amount: 100,
    priority: 1,
    effectiveAtUs: t1,
    expiresAtUs: t1 + 30 * day,
    voidedAtUs: undefined,
    maxRollover: 0,
    minRollover: 0,
    recurrence: undefined,
    createdAtUs: t1,
    ...more,
  };
}

interface Run {
  grants: Grant[];
  usage?: [amount: number, atUs: number][];
  startUs?: number;
  untilUs: number;
  resets?: { atUs: number; preserveOverage: boolean }[];
  kind?: 'flow' | 'level';
}

function run({ grants, usage = [], startUs = t1, untilUs, resets = [], kind = 'flow' }: Run): BurnDown {
  const input = { grants, startUs, startsWithReset: false, untilUs, resets, kind };
  const phases = planPhases(input);
  const usages = phases.map(({ fromUs, toUs }) => {
    const within = usage.filter(([, atUs]) => atUs >= fromUs && atUs < toUs).map(([amount]) => amount);
    return kind === 'level' ? (within.at(-1) ?? 0) : within.reduce((sum, amount) => sum + amount, 0);
  });
  return burnDown(input, phases, usages);
}

const weekly = (anchorUs: number) => ({ interval: 'WEEK', anchorUs, zone: 'UTC' });

describe('balances as OpenMeter’s tests have them', () => {
  const cases: [name: string, run: Run, balances: Record<string, number>, overage?: number][] = [
    ['no grants: all is overage', { grants: [], usage: [[50, t1 + hour]], untilUs: t1 + 30 * day }, {}, 50],
    ['one grant', { grants: [grant('1')], usage: [[50, t1 + hour]], untilUs: t1 + day }, { 1: 50 }],
    [
      'a grant of the future',
      {
        grants: [grant('1', { effectiveAtUs: t1 + 10 * day })],
        usage: [[50, t1 + hour]],
        untilUs: t1 + 5 * day,
      },
      {},
      50,
    ],
    [
      'until it is voided',
      {
        grants: [grant('1', { voidedAtUs: t1 + hour })],
        usage: [
          [50, t1 + hour - 1],
          [50, t1 + hour + 1],
        ],
        untilUs: t1 + 5 * day,
      },
      {},
      50,
    ],
    [
      'expired before',
      {
        grants: [grant('1', { effectiveAtUs: t1 - 365 * day, expiresAtUs: t1 })],
        usage: [[50, t1 + hour]],
        untilUs: t1 + day,
      },
      {},
      50,
    ],
    [
      'a grant that begins later covers the overage of before',
      {
        grants: [grant('1', { effectiveAtUs: t1 + day })],
        usage: [
          [25, t1 + day - hour],
          [25, t1 + day + hour],
        ],
        untilUs: t1 + 2 * day,
      },
      { 1: 50 },
    ],
    [
      'two grants',
      { grants: [grant('1'), grant('2')], usage: [[200, t1 + hour]], untilUs: t1 + day },
      { 1: 0, 2: 0 },
    ],
    [
      'the more urgent first',
      { grants: [grant('2', { priority: 2 }), grant('1')], usage: [[120, t1 + hour]], untilUs: t1 + day },
      { 1: 0, 2: 80 },
    ],
    [
      'the one that expires first',
      {
        grants: [grant('2', { expiresAtUs: t1 + 36_500 * day }), grant('1')],
        usage: [[120, t1 + hour]],
        untilUs: t1 + day,
      },
      { 1: 0, 2: 80 },
    ],
    [
      'the oldest of equals',
      {
        grants: [grant('1', { createdAtUs: t1 + 1 }), grant('2')],
        usage: [[120, t1 + hour]],
        untilUs: t1 + day,
      },
      { 1: 80, 2: 0 },
    ],
    [
      'a grant that recurs covers the overage too',
      { grants: [grant('1', { recurrence: utcDays })], usage: [[120, t1 + hour]], untilUs: t1 + day + hour },
      { 1: 80 },
    ],
    [
      'recurred just now',
      {
        grants: [
          grant('1', { amount: 80, priority: 3 }),
          grant('2', { effectiveAtUs: t1 + day, recurrence: weekly(t1 + 3 * day) }),
        ],
        usage: [
          [20, t1 + hour],
          [20, t1 + day - 1_000_000],
          [20, t1 + day],
        ],
        untilUs: t1 + 10 * day,
      },
      { 1: 40, 2: 100 },
    ],
    [
      'right before it recurs',
      {
        grants: [
          grant('1', { amount: 80, priority: 3 }),
          grant('2', { effectiveAtUs: t1 + day, recurrence: weekly(t1 + 3 * day) }),
        ],
        usage: [
          [20, t1 + hour],
          [20, t1 + day - 1_000_000],
          [20, t1 + day],
          [20, t1 + 3 * day],
        ],
        untilUs: t1 + 10 * day - hour,
      },
      { 1: 40, 2: 80 },
    ],
    [
      'a recurrence is not applied again where another grant begins',
      {
        grants: [
          grant('1', { recurrence: { ...utcDays, anchorUs: t1 + day } }),
          grant('2', { priority: 2, effectiveAtUs: t1 + day + hour }),
        ],
        usage: [
          [30, t1 + day + hour / 2],
          [20, t1 + day + 1.5 * hour],
        ],
        untilUs: t1 + day + 2 * hour,
      },
      { 1: 50, 2: 100 },
    ],
    [
      'rolls over at most its maximum',
      {
        grants: [grant('1', { maxRollover: 50 })],
        usage: [[10, t1 + hour]],
        resets: [{ atUs: t1 + 5 * hour, preserveOverage: false }],
        untilUs: t1 + day,
      },
      { 1: 50 },
    ],
    [
      'overage goes over into the next period',
      {
        grants: [grant('1', { maxRollover: 50, minRollover: 50 })],
        usage: [
          [10, t1 + hour],
          [100, t1 + 2 * hour],
        ],
        resets: [{ atUs: t1 + 5 * hour, preserveOverage: true }],
        untilUs: t1 + day,
      },
      { 1: 40 },
    ],
    [
      'a reset at the end has happened',
      {
        grants: [grant('1', { maxRollover: 50 })],
        usage: [[10, t1 + hour]],
        resets: [{ atUs: t1 + day, preserveOverage: false }],
        untilUs: t1 + day,
      },
      { 1: 50 },
    ],
    [
      'a recurrence at a reset gives the whole amount',
      {
        grants: [grant('1', { recurrence: utcDays })],
        usage: [[10, t1 + hour]],
        resets: [{ atUs: t1 + day, preserveOverage: false }],
        untilUs: t1 + day,
      },
      { 1: 100 },
    ],
  ];
  test.each(cases)('%s', (_, given, balances, overage = 0) => {
    const result = run(given);
    expect(Object.fromEntries(result.balances)).toEqual(balances);
    expect(result.overage).toBe(overage);
  });

  test('a level is held against the full amounts at any time', () => {
    const result = run({
      kind: 'level',
      grants: [
        grant('1', { amount: 50, expiresAtUs: t1 + hour }),
        grant('2', { priority: 2 }),
        grant('3', { amount: 75, priority: 3, effectiveAtUs: t1 + hour }),
        grant('4', { amount: 200, priority: 4, effectiveAtUs: t1 + 4 * hour }),
      ],
      usage: [
        [15, t1],
        [30, t1 + hour],
        [10, t1 + 2 * hour],
        [20, t1 + 3 * hour],
      ],
      untilUs: t1 + 3 * hour,
    });
    expect(result.balance).toBe(165);
    expect(result.segments.map(({ usage }) => usage)).toEqual([15, 10]);
  });
});

test('amounts are exact: a tenth three times is three tenths', () => {
  const amount = { coefficient: 3n, scale: 1 };
  const tenth = { coefficient: 1n, scale: 1 };
  const input = {
    grants: [grant('1', { amount })],
    startUs: t1,
    startsWithReset: false,
    untilUs: t1 + day,
    resets: [],
    kind: 'flow',
  } as const;
  const resets = [1, 2].map((n) => ({ atUs: t1 + n * hour, preserveOverage: false }));
  const phases = planPhases({ ...input, grants: [{ ...input.grants[0]!, maxRollover: 1 }], resets });
  const result = burnDown({ ...input, grants: [{ ...input.grants[0]!, maxRollover: 1 }], resets }, phases, [
    tenth,
    tenth,
    tenth,
  ]);
  expect(result.balance).toBe(0);
  expect(result.overage).toBe(0);
});

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
