import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import { readTextFilter, type TextFilter } from '@usage/lib/filter/textFilter.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { type BurnDownInput, type Phase, planPhases } from '@usage/lib/limits/engine/burnDown.ts';
import { nextChangeOf } from '@usage/lib/limits/engine/grants.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import { burnDownInput } from '@usage/lib/limits/engine/start.ts';
import { Resets } from '@usage/lib/limits/engine/usagePeriods.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { usageKinds, type WantedUsage } from './phaseUsage.ts';

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

/** What has to be read and worked out for one entitlement. */
export interface Task extends WantedUsage {
  resets: Resets;
  /** The usage period asked about. */
  period: Period;
  input: BurnDownInput;
  plan: Phase[];
  /** As the plan's, with the beginning of their usage period; the last may reach further. */
  phases: (Period & { periodFromUs: number })[];
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

/** Of questions about now: what was worked out for the state, and from when until when it holds. */
const present = new WeakMap<EntitlementState, { task: Task; fromUs: number; untilUs: number }>();

/** Problems: 400 where more changes of grants lie in the time asked for than can be worked out. */
export function taskOf(state: EntitlementState, aggregation: Aggregation, question: Question): Task {
  if (!question.isNow || question.fromUs !== undefined || question.observe)
    return newTask(state, aggregation, question);
  const { atUs } = question;
  let held = present.get(state);
  if (!held || atUs < held.fromUs || atUs >= held.untilUs) {
    const task = newTask(state, aggregation, question);
    const untilUs = nextChangeOf(state.grants, task.period, atUs);
    held = { task, fromUs: atUs, untilUs };
    present.set(state, held);
  }
  // Between two changes only the end of the last phase moves.
  const { task } = held;
  const last = { ...task.phases.at(-1)!, toUs: endOfNow(task.period, atUs) };
  return { ...task, phases: [...task.phases.slice(0, -1), last] };
}

function newTask(
  state: EntitlementState,
  aggregation: Aggregation,
  { fromUs, atUs, observe, isNow }: Question,
): Task {
  const resets = resetsOf(state);
  const period = resets.periodAt(atUs);
  const kind = usageKinds[aggregation] === 'level' ? 'level' : 'flow';
  const input = burnDownInput(state.grants, resets, kind, { beginUs: fromUs ?? atUs, untilUs: atUs });
  const plan = planPhases(input, observe);
  if (plan.length > phasesMax)
    throw new Problem('bad_request', `More than ${phasesMax} changes of grants lie in the time asked for.`);
  let periodFromUs = resets.periodAt(input.startUs).fromUs;
  const phases = plan.map(({ fromUs: from, toUs, reset }) => {
    if (reset) periodFromUs = from;
    return { fromUs: from, toUs, periodFromUs };
  });
  if (isNow) phases.at(-1)!.toUs = endOfNow(period, atUs);
  return { resets, period, input, plan, subjects: state.subjects, filters: filtersOf(state), phases };
}

/** A full minute: it divides none, so that no raw events need to be read. */
function endOfNow({ toUs }: Period, atUs: number): number {
  return Math.min(Math.ceil(atUs / minuteUs) * minuteUs + minuteUs, toUs);
}

function filtersOf({
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
