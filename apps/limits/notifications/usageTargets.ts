import type { Transaction } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import type { MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { WatchedUsage } from '@usage/db/notifications/rules.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { readUsage } from '@usage/db/usage/readUsage.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import type { Period } from '@usage/lib/limits/engine/recurrence.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import { phaseUsages } from '../checks/phaseUsage.ts';

/** Whose usage, and how much of it. */
export interface Target {
  key: string;
  /** As the event names it. */
  names: { subject?: string; customerId?: string; groupBy?: Record<string, string> };
  usage: Decimal;
  /** Under which name what is added to it is counted: the subject, the customer, '' for all. */
  counted: string;
}

export function periodOf({ period, timeZone = 'UTC', seconds = 0 }: WatchedUsage, atUs: number): Period {
  const [fromUs, toUs] =
    period === 'ROLLING'
      ? [
          Math.ceil((atUs - seconds * 1_000_000) / minuteUs) * minuteUs,
          Math.ceil(atUs / minuteUs) * minuteUs + minuteUs,
        ]
      : windowBoundaries({ fromUs: atUs, toUs: atUs + 1, size: period, zone: timeZone });
  return { fromUs: fromUs!, toUs: toUs! };
}

export async function targetsOf(
  tx: Transaction,
  runner: UsageRunner,
  found: MeterToRead,
  watched: WatchedUsage,
  period: Period,
  subjects: readonly string[] | undefined,
): Promise<Target[]> {
  const filters = new Map<string, TextFilter>(
    Object.entries(watched.filterGroupBy ?? {}).map(([name, value]) => [name, { operator: 'eq', value }]),
  );
  const phases = [{ ...period, periodFromUs: period.fromUs }];
  const { namespace } = found.meter;
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
    usage: measuredValue(found.meter, total),
    counted: watched.of === 'subject' ? total.key[0]! : '',
  }));
}
