import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import { ownersOf } from '@usage/db/limits/stateTokens.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { Rule, Threshold } from '@usage/db/notifications/rules.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { readUsage } from '@usage/db/usage/readUsage.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import { phaseUsages } from '../checks/phaseUsage.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { amount as amountOf } from '../checks/value.ts';
import type { WatchedRule } from './entitlementWatch.ts';
import { fire } from './fire.ts';
import { type Headroom, leastOf } from './headroom.ts';
import { heldAgainst } from './thresholds.ts';
import type { TouchedCustomer } from './touched.ts';

/** Whose usage, and how much of it. */
interface Target {
  key: string;
  /** As the event names it. */
  names: { subject?: string; customerId?: string; groupBy?: Record<string, string> };
  usage: Decimal;
  /** Under which name what is added to it is counted: the subject, the customer, '' for all. */
  counted: string;
}

/** Rules that watch the same usage: it is read once for all of them. */
export interface WatchedTogether {
  key: string;
  meterId: string;
  usage: Watched;
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
      return isLeft('', '', [...touched.values()].reduce((sum, added) => sum + added, 0)) ? [] : undefined;
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
      events += await fire(sql, reachedBy(rule, target, reached, period, atUs), wire, async (_, threshold, skipped) => ({
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
      }));
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

function reachedBy(rule: Rule, target: Target, thresholds: readonly Threshold[], period: Period, atUs: number) {
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

type Watched = NonNullable<WatchedRule['rule']['usage']>;

function periodOf({ period, timeZone = 'UTC', seconds = 0 }: Watched, atUs: number): Period {
  const [fromUs, toUs] =
    period === 'ROLLING'
      ? [
          Math.ceil((atUs - seconds * 1_000_000) / minuteUs) * minuteUs,
          Math.ceil(atUs / minuteUs) * minuteUs + minuteUs,
        ]
      : windowBoundaries({ fromUs: atUs, toUs: atUs + 1, size: period, zone: timeZone });
  return { fromUs: fromUs!, toUs: toUs! };
}

async function targetsOf(
  tx: Transaction,
  runner: UsageRunner,
  found: MeterToRead,
  watched: Watched,
  period: Period,
  subjects: readonly string[] | undefined,
): Promise<Target[]> {
  const filters = new Map<string, TextFilter>(
    Object.entries(watched.filterGroupBy ?? {}).map(([name, value]) => [name, { operator: 'eq', value }]),
  );
  const phases = [{ ...period, periodFromUs: period.fromUs }];
  const { namespace, aggregation } = found.meter;
  if (watched.of === 'customer' && subjects) {
    const customers = await customersOfSubjects(tx, namespace, subjects);
    const ids = [...new Set([...customers.values()].map(({ id }) => id))];
    const own = await subjectsOfCustomers(tx, namespace, ids);
    const wanted = ids.map((id) => ({ subjects: own.get(id) ?? [], filters, phases }));
    const usages = await phaseUsages(tx, found, wanted, runner);
    return ids.map((customerId, i) => ({
      key: customerId,
      names: { customerId },
      usage: usages[i]![0]!,
      counted: customerId,
    }));
  }
  const { totals } = await readUsage(
    tx,
    found,
    {
      ...period,
      windows: undefined,
      subjects: watched.of === 'subject' ? subjects : undefined,
      groupBySubject: watched.of === 'subject' || watched.of === 'customer',
      groupBy: watched.of === 'group' ? (watched.groupBy ?? []) : [],
      filters,
    },
    runner,
  );
  if (watched.of === 'customer') {
    const all = totals.map(({ key }) => key[0]!);
    return all.length === 0 ? [] : targetsOf(tx, runner, found, watched, period, all);
  }
  return totals.map((total) => ({
    key: JSON.stringify(total.key),
    names:
      watched.of === 'subject'
        ? { subject: total.key[0]! }
        : watched.of === 'group'
          ? { groupBy: Object.fromEntries(watched.groupBy!.map((name, i) => [name, total.key[i]!])) }
          : {},
    usage: measuredValue(aggregation, total),
    counted: watched.of === 'subject' ? total.key[0]! : '',
  }));
}
