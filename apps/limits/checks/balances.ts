import type { Transaction } from '@usage/db/connection/connect.ts';
import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { type BurnDown, burnDown } from '@usage/lib/limits/engine/burnDown.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import type { Resets } from '@usage/lib/limits/engine/usagePeriods.ts';
import { phaseUsages } from './phaseUsage.ts';
import { type Question, type Task, taskOf } from './tasks.ts';

export interface Balance extends BurnDown {
  resets: Resets;
  period: Period;
}

/** The balances of metered entitlements, in order; exact to the last event of the transaction's snapshot. Problems: 400, 409. */
export async function balancesOf(
  tx: Transaction,
  states: readonly EntitlementState[],
  question: Question,
  runner: UsageRunner,
): Promise<Balance[]> {
  const meters = await metersOf(tx, states);
  const tasks = states.map((state) => taskOf(state, meters.get(state.meterId!)!.meter.aggregation, question));
  const balances = new Array<Balance>(states.length);
  const ofMeter = Map.groupBy(states.keys(), (i) => states[i]!.meterId!);
  // Statements of all meters go to the server without waiting for each other.
  const read = [...ofMeter].map(async ([meterId, members]) => {
    const own = members.map((i) => tasks[i]!);
    const usages = await phaseUsages(tx, meters.get(meterId)!, own, runner);
    members.forEach((i, n) => {
      balances[i] = balanceOf(own[n]!, usages[n]!);
    });
  });
  await Promise.all(read);
  return balances;
}

function balanceOf({ input, plan, resets, period }: Task, usages: readonly Decimal[]): Balance {
  const { balances, balance, overage, usage, grantUsage, segments } = burnDown(input, plan, usages);
  return { balances, balance, overage, usage, grantUsage, segments, resets, period };
}

async function metersOf(
  tx: Transaction,
  states: readonly EntitlementState[],
): Promise<Map<string, MeterToRead>> {
  const ids = [...new Set(states.map(({ meterId }) => meterId!))];
  const namespace = states[0]?.entitlement.namespace ?? '';
  const found = await Promise.all(ids.map((id) => getMeterToRead(tx, namespace, id)));
  return new Map(
    ids.map((id, i) => {
      const meter = found[i];
      if (meter && !meter.meter.deletedAt) return [id, meter];
      throw new Problem(
        'conflict',
        `The meter ${meter?.meter.slug ?? id} of the feature was deleted: its usage is gone. Archive the feature and create it anew with another meter.`,
      );
    }),
  );
}
