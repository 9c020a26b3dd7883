import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
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
import { amount } from '../checks/value.ts';
import type { WatchedRule } from './entitlementWatch.ts';
import { fire } from './fire.ts';
import { isReached } from './thresholds.ts';

/** Whose usage, and how much of it. */
interface Target {
  key: string;
  /** As the event names it. */
  names: { subject?: string; customerId?: string; groupBy?: Record<string, string> };
  usage: Decimal;
}

/** Looks at plain usage: `subjects` had events since the last look; undefined = anybody may have had. */
export async function lookAtUsage(
  sql: Sql,
  checks: CheckRunner,
  { rule, wire }: WatchedRule,
  subjects: readonly string[] | undefined,
): Promise<number> {
  const atUs = Date.now() * 1_000;
  const period = periodOf(rule.usage!, atUs);
  const { slug, targets } = await checks.read('threshold', rule.namespace, async (tx, runner) => {
    const found = await getMeterToRead(tx, rule.namespace, rule.meterId!);
    if (!found || found.meter.deletedAt) return { slug: '', targets: [] };
    return {
      slug: found.meter.slug,
      targets: await targetsOf(tx, runner, found, rule.usage!, period, subjects),
    };
  });
  let events = 0;
  for (const target of targets) {
    const measured = { usage: target.usage, balance: undefined, granted: undefined };
    const thresholds = rule.thresholds.filter((threshold) => isReached(threshold, measured));
    if (thresholds.length === 0) continue;
    const isRolling = rule.usage!.period === 'ROLLING';
    const reached = {
      rule,
      target: target.key,
      periodFromUs: isRolling ? atUs : period.fromUs,
      rollingUs: isRolling ? rule.usage!.seconds! * 1_000_000 : undefined,
      thresholds,
      measured,
    };
    events += await fire(sql, reached, wire, async (_, threshold, skipped) => ({
      payload: {
        data: {
          meter: slug,
          ...target.names,
          period: { from: formatTimeUs(period.fromUs), to: formatTimeUs(period.toUs) },
          ...amount('usage', target.usage),
          threshold,
          skippedThresholds: skipped,
        },
      },
      featureId: undefined,
      featureKey: undefined,
      subject: target.names.subject,
    }));
  }
  return events;
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
    return ids.map((customerId, i) => ({ key: customerId, names: { customerId }, usage: usages[i]![0]! }));
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
  }));
}
