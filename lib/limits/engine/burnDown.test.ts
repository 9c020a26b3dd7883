import { describe, expect, test } from 'bun:test';
import { day, grant, hour, t1, utcDays } from '@usage/tests/support/grants.ts';
import { type BurnDown, burnDown, planPhases } from './burnDown.ts';
import type { Grant } from './grants.ts';

/** The figures of OpenMeter's engine tests (openmeter/credit/engine), and what they don't cover: exactness, zones, ties. */

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
  const renewed = { ...input, grants: [{ ...input.grants[0]!, maxRollover: 1 }], resets };
  const result = burnDown(renewed, planPhases(renewed), [tenth, tenth, tenth]);
  expect(result.balance).toBe(0);
  expect(result.overage).toBe(0);
});
