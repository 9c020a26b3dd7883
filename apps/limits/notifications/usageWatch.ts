import type { Sql } from '@usage/db/connection/connect.ts';
import { ownersOf } from '@usage/db/limits/stateTokens.ts';
import { getMeterToRead } from '@usage/db/meters/findMeters.ts';
import type { Rule, Threshold, WatchedUsage } from '@usage/db/notifications/rules.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { amount as amountOf } from '../checks/value.ts';
import type { WatchedRule } from './entitlementWatch.ts';
import { fire } from './fire.ts';
import { type Headroom, leastOf } from './headroom.ts';
import { heldAgainst } from './thresholds.ts';
import type { TouchedCustomer } from './touched.ts';
import { periodOf, type Target, targetsOf } from './usageTargets.ts';

/** Rules that watch the same usage: it is read once for all of them. */
export interface WatchedTogether {
  key: string;
  meterId: string;
  usage: WatchedUsage;
  rules: readonly WatchedRule[];
}

export function watchedTogether(rules: readonly WatchedRule[]): WatchedTogether[] {
  const keyOf = ({ rule }: WatchedRule) => JSON.stringify([rule.namespace, rule.meterId, rule.usage]);
  return [...Map.groupBy(rules, keyOf)].map(([key, own]) => {
    const { meterId, usage } = own[0]!.rule;
    return { key, meterId: meterId!, usage: usage!, rules: own };
  });
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
  let events = 0;
  const left = new Map<string, Decimal | undefined>();
  for (const target of targets) {
    const measured = { usage: target.usage, balance: undefined, granted: undefined };
    for (const { rule, wire } of rules) {
      const { reached, headroom: own } = heldAgainst(rule.thresholds, measured);
      // In a rolling window what is reached may fire again after a while.
      const amount = usage.period === 'ROLLING' && reached.length > 0 ? 0 : own;
      left.set(target.counted, leastOf([left.get(target.counted), amount]));
      if (reached.length === 0) continue;
      events += await fire(
        sql,
        reachedBy(rule, target, reached, period, atUs),
        wire,
        async (_, threshold, skipped) => ({
          payload: {
            data: {
              meter: slug,
              ...target.names,
              period: { from: formatTimeUs(period.fromUs), to: formatTimeUs(period.toUs) },
              ...amountOf('usage', target.usage),
              threshold,
              skippedThresholds: skipped,
            },
          },
          featureId: undefined,
          featureKey: undefined,
          subject: target.names.subject,
        }),
      );
    }
  }
  noteHeadroom(watched, period, { subjects, owners, left }, headroom);
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
  }: {
    subjects: readonly string[] | undefined;
    owners: readonly { id: string; stateToken: string }[];
    left: ReadonlyMap<string, Decimal | undefined>;
  },
  headroom: Headroom,
): void {
  const nothing = { usage: 0, balance: undefined, granted: undefined };
  const unused = leastOf(watched.rules.map(({ rule }) => heldAgainst(rule.thresholds, nothing).headroom));
  const note = (target: string, token: string) =>
    headroom.set(headroomKey(watched, period, target), token, left.has(target) ? left.get(target) : unused);
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

function reachedBy(
  rule: Rule,
  target: Target,
  thresholds: readonly Threshold[],
  period: Period,
  atUs: number,
) {
  const isRolling = rule.usage!.period === 'ROLLING';
  return {
    rule,
    target: target.key,
    periodFromUs: isRolling ? atUs : period.fromUs,
    rollingUs: isRolling ? rule.usage!.seconds! * 1_000_000 : undefined,
    thresholds,
    measured: { usage: target.usage, balance: undefined, granted: undefined },
  };
}
