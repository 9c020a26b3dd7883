import type { Transaction } from '@usage/db/connection/connect.ts';
import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { readTextFilter, type TextFilter } from '@usage/lib/filter/textFilter.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import {
  type BurnDown,
  type BurnDownInput,
  burnDown,
  type Phase,
  planPhases,
} from '@usage/lib/limits/engine/burnDown.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import { burnDownInput } from '@usage/lib/limits/engine/start.ts';
import { Resets } from '@usage/lib/limits/engine/usagePeriods.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { phaseUsages, usageKinds } from './phaseUsage.ts';

/** What is asked of entitlements. */
export interface Question {
  /** Balances from here on are needed: undefined = the last one alone. */
  fromUs?: number;
  atUs: number;
  /** Instants at which the balance is wanted too. */
  observe?: readonly number[];
  /** Events of the minute to come count as well: clocks differ. For questions about now. */
  isNow: boolean;
}

export interface Balance extends BurnDown {
  resets: Resets;
  period: Period;
}

const phasesMax = 20_000;

/** When the usage of a metered entitlement begins anew. */
export function resetsOf({ entitlement, manualResets }: EntitlementState): Resets {
  const periods = {
    startUs: entitlement.measureUsageFromUs!,
    recurrence: entitlement.usagePeriod!,
    manual: manualResets,
  };
  return new Resets(periods, entitlement.preserveOverage);
}

/** The balances of metered entitlements, in order; exact to the last event of the transaction's snapshot. Problems: 400, 409. */
export async function balancesOf(
  tx: Transaction,
  states: readonly EntitlementState[],
  question: Question,
  runner: UsageRunner,
): Promise<Balance[]> {
  const meters = await metersOf(tx, states);
  const tasks = states.map((state) => taskOf(state, meters.get(state.meterId!)!, question));
  const balances = new Map<Task, Balance>();
  for (const group of Map.groupBy(tasks, ({ found }) => found).values()) {
    const usages = await phaseUsages(tx, group[0]!.found, group, runner);
    group.forEach((task, i) => {
      const period = task.resets.periodAt(question.atUs);
      balances.set(task, { ...burnDown(task.input, task.plan, usages[i]!), resets: task.resets, period });
    });
  }
  return tasks.map((task) => balances.get(task)!);
}

interface Task {
  found: MeterToRead;
  filters: Map<string, TextFilter>;
  resets: Resets;
  input: BurnDownInput;
  plan: Phase[];
  subjects: readonly string[];
  /** As the plan's, with the beginning of their usage period; the last may reach further. */
  phases: (Period & { periodFromUs: number })[];
}

function taskOf(
  state: EntitlementState,
  found: MeterToRead,
  { fromUs, atUs, observe, isNow }: Question,
): Task {
  const resets = resetsOf(state);
  const kind = usageKinds[found.meter.aggregation] === 'level' ? 'level' : 'flow';
  const input = burnDownInput(state.grants, resets, kind, { beginUs: fromUs ?? atUs, untilUs: atUs });
  const plan = planPhases(input, observe);
  if (plan.length > phasesMax)
    throw new Problem('bad_request', `More than ${phasesMax} changes of grants lie in the time asked for.`);
  let periodFromUs = resets.periodAt(input.startUs).fromUs;
  const phases = plan.map(({ fromUs: from, toUs, reset }) => {
    if (reset) periodFromUs = from;
    return { fromUs: from, toUs, periodFromUs };
  });
  if (isNow) {
    const last = phases.at(-1)!;
    last.toUs = Math.min(nextMinute(atUs) + minuteUs, resets.periodAt(atUs).toUs);
  }
  return {
    found,
    filters: filtersOf(state),
    resets,
    input,
    plan,
    subjects: state.subjects,
    phases,
  };
}

/** A full minute: it divides none, so that no raw events need to be read. */
function nextMinute(us: number): number {
  return Math.ceil(us / minuteUs) * minuteUs;
}

export function filtersOf({
  groupByFilters,
  advancedFilters,
}: Pick<EntitlementState, 'groupByFilters' | 'advancedFilters'>): Map<string, TextFilter> {
  const simple = Object.entries(groupByFilters ?? {}).map(
    ([name, value]) => [name, { operator: 'eq', value }] as const,
  );
  const advanced = Object.entries(advancedFilters ?? {}).flatMap(([name, json]) => {
    const filter = readTextFilter(json);
    return filter ? [[name, filter] as const] : [];
  });
  return new Map<string, TextFilter>([...simple, ...advanced]);
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
