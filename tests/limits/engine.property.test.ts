import { expect, test } from 'bun:test';
import { type Decimal, formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { burnDown, planPhases, sum } from '@usage/lib/limits/engine/burnDown.ts';
import type { Grant } from '@usage/lib/limits/engine/grants.ts';
import { burnDownInput } from '@usage/lib/limits/engine/start.ts';
import { Resets } from '@usage/lib/limits/engine/usagePeriods.ts';
import fc from 'fast-check';
import { type OracleCase, type OracleGrant, oracle } from './oracle.ts';

const hourUs = 3_600_000_000;
const startUs = Date.parse('2026-01-01T00:00:00Z') * 1_000;
const hoursMax = 60;

const amounts = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc
    .integer({ min: 1, max: 400 })
    .map((tenths): Decimal => ({ coefficient: BigInt(tenths * 10 + 1), scale: 2 })),
);
const hours = fc.integer({ min: 0, max: hoursMax });
const grants = fc.array(
  fc.record({
    amount: amounts,
    priority: fc.integer({ min: 0, max: 2 }),
    from: hours,
    lasts: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    voidedAfter: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
    rollover: fc.oneof(
      fc.constant({ max: 0 as Decimal, min: 0 as Decimal }),
      amounts.map((amount) => ({ max: amount, min: amount })),
      fc.record({ max: amounts, min: amounts }),
    ),
    every: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
  }),
  { maxLength: 5 },
);
const cases = fc.record({
  grants,
  resetEvery: fc.integer({ min: 1, max: 30 }),
  manualResets: fc.uniqueArray(
    fc.record({ at: fc.integer({ min: 1, max: hoursMax }), preserveOverage: fc.boolean() }),
    {
      selector: ({ at }) => at,
      maxLength: 3,
    },
  ),
  preserveOverage: fc.boolean(),
  usage: fc.array(fc.record({ at: fc.double({ min: 0, max: hoursMax, noNaN: true }), amount: amounts }), {
    maxLength: 40,
  }),
  until: hours,
});

test('balances, overage and usage are those of the rules applied hour by hour, to the last digit', () => {
  fc.assert(
    fc.property(cases, ({ grants: given, until, ...rest }) => {
      const known: OracleGrant[] = given.map(({ lasts, voidedAfter, rollover, ...grant }, i) => ({
        ...grant,
        ...rollover,
        id: `g${i}`,
        created: i,
        expires: lasts === undefined ? undefined : grant.from + lasts,
        voided: voidedAfter === undefined ? undefined : grant.from + voidedAfter,
      }));
      const one: OracleCase = { ...rest, grants: known };
      const expected = oracle(one, until);
      const actual = engine(one, until);
      expect(actual).toEqual({
        balances: texts(expected.balances),
        overage: formatDecimal(expected.overage),
        usage: formatDecimal(expected.usage),
      });
    }),
    { numRuns: 2_000 },
  );
});

const texts = (balances: ReadonlyMap<string, Decimal>) =>
  Object.fromEntries([...balances].map(([id, balance]) => [id, formatDecimal(balance)]).sort());

function engine(
  { grants: given, resetEvery, manualResets, preserveOverage, usage }: OracleCase,
  until: number,
) {
  const at = (hour: number) => startUs + Math.floor(hour * hourUs);
  const converted: Grant[] = given.map((grant) => ({
    id: grant.id,
    amount: grant.amount,
    priority: grant.priority,
    effectiveAtUs: at(grant.from),
    expiresAtUs: grant.expires === undefined ? undefined : at(grant.expires),
    voidedAtUs: grant.voided === undefined ? undefined : at(grant.voided),
    maxRollover: grant.max,
    minRollover: grant.min,
    recurrence:
      grant.every === undefined
        ? undefined
        : { interval: `PT${grant.every}H`, anchorUs: at(grant.from), zone: 'UTC' },
    createdAtUs: startUs + grant.created,
  }));
  const resets = new Resets(
    {
      startUs,
      recurrence: { interval: `PT${resetEvery}H`, anchorUs: startUs, zone: 'UTC' },
      manual: manualResets
        .map(({ at: hour, preserveOverage: preserve }) => ({
          atUs: at(hour),
          movesAnchor: false,
          preserveOverage: preserve,
        }))
        .sort((a, b) => a.atUs - b.atUs),
    },
    preserveOverage,
  );
  const input = burnDownInput(converted, resets, 'flow', { beginUs: at(until), untilUs: at(until) });
  const phases = planPhases(input);
  const usages = phases.map(({ fromUs, toUs }) =>
    sum(usage.filter((one) => at(one.at) >= fromUs && at(one.at) < toUs).map(({ amount }) => amount)),
  );
  const { balances, overage, usage: used } = burnDown(input, phases, usages);
  return { balances: texts(balances), overage: formatDecimal(overage), usage: formatDecimal(used) };
}
