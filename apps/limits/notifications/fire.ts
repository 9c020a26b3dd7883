import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import {
  claimFirings,
  firedSince,
  insertEvent,
  lockTarget,
  type NewEvent,
  newEventId,
} from '@usage/db/notifications/events.ts';
import type { Rule, Threshold } from '@usage/db/notifications/rules.ts';
import { highest, keyOf, kindOf, type Measured } from './thresholds.ts';

/** Thresholds of a rule that are reached now. */
export interface Reached {
  rule: Rule;
  /** An entitlement, subject, customer or group. */
  target: string;
  periodFromUs: number;
  /** Of a rolling window: its length. A threshold that fired within it does not fire again. */
  rollingUs: number | undefined;
  thresholds: readonly Threshold[];
  measured: Measured;
}

/** The event's data for a threshold; `skipped` were reached at the same time, and say less. */
export type DataOf = (
  tx: Transaction,
  threshold: Threshold,
  skipped: readonly Threshold[],
) => Promise<Omit<NewEvent, 'namespace' | 'type' | 'ruleId' | 'rule' | 'channelIds'>>;

/**
 * Fires what has not fired: the firing, its event and the deliveries to come are one transaction, and the key of
 * threshold_firings lets one of many who try win. Whatever dies, each fires once. Returns how many events that made.
 */
export async function fire(sql: Sql, reached: Reached, ruleWire: object, dataOf: DataOf): Promise<number> {
  const { rule, target, periodFromUs, rollingUs } = reached;
  return sql.begin(async (tx) => {
    let candidates = [...reached.thresholds];
    if (rollingUs !== undefined) {
      await lockTarget(tx, rule.id, target);
      const fired = await firedSince(tx, rule.id, target, periodFromUs - rollingUs);
      candidates = candidates.filter((threshold) => !fired.has(keyOf(threshold)));
    }
    let events = 0;
    for (const own of Map.groupBy(candidates, kindOf).values()) {
      const id = newEventId();
      const firings = own.map((threshold) => ({
        ruleId: rule.id,
        target,
        periodFromUs,
        threshold: keyOf(threshold),
      }));
      const claimed = new Set((await claimFirings(tx, id, firings)).map(({ threshold }) => threshold));
      const fresh = own.filter((threshold) => claimed.has(keyOf(threshold)));
      if (fresh.length === 0) continue;
      const threshold = highest(fresh, reached.measured);
      const skipped = fresh.filter((one) => one !== threshold);
      await insertEvent(tx, id, { ...common(rule, ruleWire), ...(await dataOf(tx, threshold, skipped)) });
      events++;
    }
    return events;
  }) as Promise<number>;
}

/** A reset fires once for a rule and entitlement. */
export async function fireReset(
  sql: Sql,
  rule: Rule,
  ruleWire: object,
  { target, atUs }: { target: string; atUs: number },
  dataOf: (tx: Transaction) => ReturnType<DataOf>,
): Promise<number> {
  return sql.begin(async (tx) => {
    const id = newEventId();
    const firing = { ruleId: rule.id, target, periodFromUs: atUs, threshold: 'reset' };
    if ((await claimFirings(tx, id, [firing])).length === 0) return 0;
    await insertEvent(tx, id, { ...common(rule, ruleWire), ...(await dataOf(tx)) });
    return 1;
  }) as Promise<number>;
}

export function common(rule: Rule, ruleWire: object) {
  const { namespace, type, id: ruleId, channelIds } = rule;
  return { namespace, type, ruleId, rule: ruleWire, channelIds };
}
