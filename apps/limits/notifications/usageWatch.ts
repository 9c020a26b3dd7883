import type { Sql } from '@usage/db/connection/connect.ts';
import { ownersOf } from '@usage/db/limits/stateTokens.ts';
import { getMeterToRead } from '@usage/db/meters/findMeters.ts';
import type { Threshold, WatchedUsage } from '@usage/db/notifications/rules.ts';
import {
  compareDecimals,
  type Decimal,
  decimalOfNumber,
  subtractDecimals,
} from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { amount as amountOf } from '../checks/value.ts';
import type { WatchedRule } from './entitlementWatch.ts';
import { fireAll, ofThresholds, type Reached, type ToFire } from './fire.ts';
import { type Headroom, leastOf } from './headroom.ts';
import type { TouchedCustomer } from './touched.ts';
import { periodOf, type Target, targetsOf } from './usageTargets.ts';

/** Rules that watch the same usage: it is read once for all of them. */
export interface WatchedTogether {
  key: string;
  meterId: string;
  usage: WatchedUsage;
  rules: readonly WatchedRule[];
  /** The thresholds of all of them, the least first. */
  steps: readonly Step[];
}

interface Step extends WatchedRule {
  threshold: Threshold;
  value: Decimal;
}

export function watchedTogether(rules: readonly WatchedRule[]): WatchedTogether[] {
  const keyOf = ({ rule }: WatchedRule) => JSON.stringify([rule.namespace, rule.meterId, rule.usage]);
  return [...Map.groupBy(rules, keyOf)].map(([key, own]) => {
    const { meterId, usage } = own[0]!.rule;
    return { key, meterId: meterId!, usage: usage!, rules: own, steps: stepsOf(own) };
  });
}

function stepsOf(rules: readonly WatchedRule[]): Step[] {
  return rules
    .flatMap(({ rule, wire }) =>
      rule.thresholds.map((threshold) => ({
        rule,
        wire,
        threshold,
        value: decimalOfNumber(threshold.value),
      })),
    )
    .sort((a, b) => compareDecimals(a.value, b.value));
}

/** How many of the steps are reached. */
function stepsReached(steps: readonly Step[], usage: Decimal): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareDecimals(steps[middle]!.value, usage) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Of a subject, a customer, or all together (''), in a period. */
function headroomKey({ key, usage }: WatchedTogether, { fromUs }: Period, target: string): string {
  return `${key} ${usage.period === 'ROLLING' ? '' : fromUs} ${target}`;
}

/** Subjects whose usage may have reached something; undefined = all must be looked at together. */
export function outgrown(
  watched: WatchedTogether,
  touched: ReadonlyMap<string, number>,
  customers: readonly TouchedCustomer[],
  headroom: Headroom,
): string[] | undefined {
  const period = periodOf(watched.usage, Date.now() * 1_000);
  const isLeft = (target: string, token: string, added: number) =>
    headroom.take(headroomKey(watched, period, target), token, added);
  switch (watched.usage.of) {
    case 'subject':
      return [...touched].flatMap(([subject, added]) => (isLeft(subject, '', added) ? [] : [subject]));
    case 'customer':
      return customers.flatMap((one) => (isLeft(one.id, one.stateToken, one.added) ? [] : one.subjects));
    case 'group':
    case 'all':
      return isLeft(
        '',
        '',
        [...touched.values()].reduce((sum, added) => sum + added, 0),
      )
        ? []
        : undefined;
    default:
      return watched.usage.of satisfies never;
  }
}

/** Looks at plain usage: `subjects` had events since the last look; undefined = anybody may have had. */
export async function lookAtUsage(
  sql: Sql,
  checks: CheckRunner,
  watched: WatchedTogether,
  subjects: readonly string[] | undefined,
  headroom: Headroom,
): Promise<number> {
  const { usage, meterId, rules } = watched;
  const { namespace } = rules[0]!.rule;
  const atUs = Date.now() * 1_000;
  const period = periodOf(usage, atUs);
  const { slug, targets, owners } = await checks.read('threshold', namespace, async (tx, runner) => {
    const found = await getMeterToRead(tx, namespace, meterId);
    if (!found || found.meter.deletedAt) return { slug: '', targets: [], owners: [] };
    return {
      slug: found.meter.slug,
      targets: await targetsOf(tx, runner, found, usage, period, subjects),
      owners: usage.of === 'customer' && subjects ? await ownersOf(tx, namespace, subjects) : [],
    };
  });
  const toFire: ToFire[] = [];
  const left = new Map<string, Decimal | undefined>();
  const steps = new Map<string, number>();
  const isSingle = usage.period !== 'ROLLING' && (usage.of === 'subject' || usage.of === 'customer');
  for (const target of targets) {
    const reached = stepsReached(watched.steps, target.usage);
    // In a rolling window what is reached may fire again after a while.
    const isRepeated = usage.period === 'ROLLING' && reached > 0;
    const next = watched.steps[reached] && subtractDecimals(watched.steps[reached].value, target.usage);
    left.set(target.counted, leastOf([left.get(target.counted), isRepeated ? 0 : next]));
    const fired = isSingle ? headroom.stepsFired(headroomKey(watched, period, target.counted)) : 0;
    if (isSingle) steps.set(target.counted, Math.max(fired, reached));
    const byRule = Map.groupBy(watched.steps.slice(fired, reached), ({ rule }) => rule.id);
    for (const own of byRule.values())
      toFire.push(...ofThresholds(reachedBy(own, target, slug, period, atUs)));
  }
  const events = await fireAll(sql, toFire);
  noteHeadroom(watched, period, { subjects, owners, left, steps }, headroom);
  return events;
}

/** Who had no usage so far has all of the least threshold before it. */
function noteHeadroom(
  watched: WatchedTogether,
  period: Period,
  {
    subjects,
    owners,
    left,
    steps,
  }: {
    subjects: readonly string[] | undefined;
    owners: readonly { id: string; stateToken: string }[];
    left: ReadonlyMap<string, Decimal | undefined>;
    steps: ReadonlyMap<string, number>;
  },
  headroom: Headroom,
): void {
  const unused = watched.steps[stepsReached(watched.steps, 0)]?.value;
  const note = (target: string, token: string) =>
    headroom.set(
      headroomKey(watched, period, target),
      token,
      left.has(target) ? left.get(target) : unused,
      steps.get(target),
    );
  switch (watched.usage.of) {
    case 'subject':
      for (const subject of subjects ?? []) note(subject, '');
      break;
    case 'customer':
      for (const { id, stateToken } of owners) note(id, stateToken);
      break;
    case 'group':
    case 'all':
      // A group that nobody has used yet may be the next one.
      headroom.set(headroomKey(watched, period, ''), '', leastOf([left.get(''), unused]));
      break;
    default:
      watched.usage.of satisfies never;
  }
}

/** Of steps of one rule. */
function reachedBy(
  steps: readonly Step[],
  target: Target,
  meter: string,
  period: Period,
  atUs: number,
): Reached {
  const { rule, wire } = steps[0]!;
  const isRolling = rule.usage!.period === 'ROLLING';
  return {
    rule,
    wire,
    target: target.key,
    periodFromUs: isRolling ? atUs : period.fromUs,
    rollingUs: isRolling ? rule.usage!.seconds! * 1_000_000 : undefined,
    thresholds: steps.map(({ threshold }) => threshold),
    measured: { usage: target.usage, balance: undefined, granted: undefined },
    dataOf: async (_, threshold, skippedThresholds) => ({
      payload: {
        data: {
          meter,
          ...target.names,
          period: { from: formatTimeUs(period.fromUs), to: formatTimeUs(period.toUs) },
          ...amountOf('usage', target.usage),
          threshold,
          skippedThresholds,
        },
      },
      featureId: undefined,
      featureKey: undefined,
      subject: target.names.subject,
    }),
  };
}
