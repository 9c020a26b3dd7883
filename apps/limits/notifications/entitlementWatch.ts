import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { getCustomer } from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { getFeature } from '@usage/db/limits/features.ts';
import { type LookedAt, noteLookedAt, resetsSeen } from '@usage/db/notifications/feed.ts';
import type { Rule } from '@usage/db/notifications/rules.ts';
import { addDecimals } from '@usage/lib/decimal/decimal.ts';
import { endOf } from '@usage/lib/limits/engine/grants.ts';
import { instantsOf } from '@usage/lib/limits/engine/recurrence.ts';
import { type Balance, balancesOf } from '../checks/balances.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { type EntitlementValue, toValue } from '../checks/value.ts';
import { toWire as customerToWire } from '../customers/handlers.ts';
import { entitlementWire } from '../entitlements/wire.ts';
import { toWire as featureToWire } from '../features/handlers.ts';
import { fire, fireReset } from './fire.ts';
import { isReached, type Measured } from './thresholds.ts';

export interface WatchedRule {
  rule: Rule;
  /** As events show it. */
  wire: object;
}

const resetsMax = 100;

/** Looks at entitlements: what of their thresholds and resets has not fired fires. Returns how many events that made. */
export async function lookAtEntitlements(
  sql: Sql,
  checks: CheckRunner,
  namespace: string,
  of: Parameters<typeof readEntitlementStates>[2],
  rules: readonly WatchedRule[],
  statesMax: number,
): Promise<number> {
  const atUs = Date.now() * 1_000;
  const looked = await checks.read('threshold', namespace, async (tx, runner) => {
    const states = await readEntitlementStates(tx, namespace, of, statesMax);
    const live = states.filter(
      ({ entitlement: { type, deletedAtUs }, meterId }) =>
        type === 'metered' && deletedAtUs === undefined && meterId,
    );
    const seen = await resetsSeen(
      tx,
      live.map(({ entitlement }) => entitlement.id),
    );
    const balances = await balancesOf(tx, live, { atUs, isNow: true }, runner);
    return live.map((state, i) => ({ state, balance: balances[i]!, seenUs: seen.get(state.entitlement.id) }));
  });
  let events = 0;
  const notes: LookedAt[] = [];
  for (const { state, balance, seenUs } of looked) {
    const own = rules.filter(({ rule }) => rule.featureIds?.includes(state.entitlement.featureId) ?? true);
    if (own.length === 0) continue;
    const resetsSeenToUs = balance.resets.lastAt(atUs)?.atUs ?? state.entitlement.measureUsageFromUs!;
    const nextChangeUs = nextChangeOf(state, balance, atUs);
    events += await fireResets(sql, own, state, balance, { seenUs, atUs });
    events += await fireThresholds(sql, own, state, balance, atUs);
    notes.push({ id: state.entitlement.id, resetsSeenToUs, nextChangeUs });
  }
  await noteLookedAt(sql, notes);
  return events;
}

async function fireThresholds(
  sql: Sql,
  rules: readonly WatchedRule[],
  state: EntitlementState,
  balance: Balance,
  atUs: number,
): Promise<number> {
  const measured: Measured = {
    usage: balance.usage,
    balance: balance.balance,
    granted: addDecimals(balance.grantUsage, balance.balance),
  };
  let events = 0;
  for (const { rule, wire } of rules) {
    if (rule.type !== 'entitlements.balance.threshold') continue;
    const thresholds = rule.thresholds.filter((threshold) => isReached(threshold, measured));
    if (thresholds.length === 0) continue;
    const reached = {
      rule,
      target: state.entitlement.id,
      periodFromUs: balance.period.fromUs,
      rollingUs: undefined,
      thresholds,
      measured,
    };
    events += await fire(sql, reached, wire, async (tx, threshold, skipped) => ({
      ...(await dataOf(tx, state, toValue(state, balance), atUs, { threshold, skippedThresholds: skipped })),
    }));
  }
  return events;
}

/** Resets since the last look, each that happened after the rule was made. */
async function fireResets(
  sql: Sql,
  rules: readonly WatchedRule[],
  state: EntitlementState,
  balance: Balance,
  { seenUs, atUs }: { seenUs: number | undefined; atUs: number },
): Promise<number> {
  const resetRules = rules.filter(({ rule }) => rule.type === 'entitlements.reset');
  if (resetRules.length === 0) return 0;
  let events = 0;
  for (const { rule, wire } of resetRules) {
    const sinceUs = Math.max(seenUs ?? 0, rule.createdAt.getTime() * 1_000, state.entitlement.activeFromUs);
    for (const { atUs: resetUs } of balance.resets.between(sinceUs, atUs).slice(-resetsMax)) {
      const target = { target: state.entitlement.id, atUs: resetUs };
      events += await fireReset(sql, rule, wire, target, (tx) =>
        dataOf(tx, state, toValue(state, balance), atUs, {}),
      );
    }
  }
  return events;
}

/** OpenMeter's payload of an entitlement's event. */
async function dataOf(
  tx: Transaction,
  state: EntitlementState,
  value: EntitlementValue,
  atUs: number,
  more: object,
) {
  const { entitlement } = state;
  const [customer, feature] = await Promise.all([
    getCustomer(tx, entitlement.namespace, entitlement.customerId),
    getFeature(tx, entitlement.namespace, entitlement.featureId),
  ]);
  const subject = entitlement.subjectKeys[0] ?? entitlement.customerKey;
  const wire = customerToWire(customer!);
  return {
    payload: {
      data: {
        entitlement: entitlementWire(state, 'v1', atUs),
        feature: featureToWire(feature!),
        subject: {
          id: wire.id,
          key: subject,
          displayName: wire.name,
          createdAt: wire.createdAt,
          updatedAt: wire.updatedAt,
        },
        customer: wire,
        value,
        ...more,
      },
    },
    featureId: entitlement.featureId,
    featureKey: entitlement.featureKey,
    subject,
  };
}

/** When the balance changes by itself next. */
function nextChangeOf({ grants }: EntitlementState, { period }: Balance, atUs: number): number {
  const changes = [period.toUs];
  for (const grant of grants) {
    changes.push(grant.effectiveAtUs, endOf(grant));
    if (grant.recurrence && grant.effectiveAtUs <= atUs && atUs < endOf(grant))
      changes.push(instantsOf(grant.recurrence).periodAt(atUs).toUs);
  }
  return Math.min(...changes.filter((us) => us > atUs));
}
