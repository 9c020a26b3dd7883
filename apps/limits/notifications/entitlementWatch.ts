import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { getCustomer } from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { getFeature } from '@usage/db/limits/features.ts';
import { heldAmounts } from '@usage/db/limits/holds.ts';
import { stateTokens } from '@usage/db/limits/stateTokens.ts';
import { type LookedAt, noteLookedAt, resetsSeen } from '@usage/db/notifications/feed.ts';
import type { Rule, Threshold } from '@usage/db/notifications/rules.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { addDecimals, type Decimal } from '@usage/lib/decimal/decimal.ts';
import { nextChangeOf } from '@usage/lib/limits/engine/grants.ts';
import { type Balance, balancesOf } from '../checks/balances.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { type EntitlementValue, toValue } from '../checks/value.ts';
import { toWire as customerToWire } from '../customers/handlers.ts';
import { entitlementWire } from '../entitlements/wire.ts';
import { toWire as featureToWire } from '../features/handlers.ts';
import { fireAll, ofThresholds, type ToFire } from './fire.ts';
import { type Headroom, leastOf } from './headroom.ts';
import { heldAgainst, type Measured } from './thresholds.ts';

export interface WatchedRule {
  rule: Rule;
  /** As events show it. */
  wire: object;
}

/** Whose entitlements are looked at: those of the ids, or all to a meter that customers have. */
export type LookedAtOf = { ids: readonly string[] } | { customerIds: readonly string[]; meterId: string };

const resetsMax = 100;

/** Of a customer's entitlements to a meter. */
export const headroomKey = (meterId: string, customerId: string) => `${meterId} ${customerId}`;

/** Looks at entitlements: what of their thresholds and resets has not fired fires. Returns how many events that made. */
export async function lookAtEntitlements(
  sql: Sql,
  checks: CheckRunner,
  namespace: string,
  of: LookedAtOf,
  rules: readonly WatchedRule[],
  headroom: Headroom,
): Promise<number> {
  const atUs = Date.now() * 1_000;
  const { looked, tokens } = await checks.read('threshold', namespace, (tx, runner) =>
    readLooked(tx, checks, namespace, of, atUs, runner),
  );
  const toFire: ToFire[] = [];
  const notes: LookedAt[] = [];
  const left = new Map<string, Decimal | undefined>();
  for (const { state, balance, held, seenUs } of looked) {
    const { id, customerId, featureId } = state.entitlement;
    const own = rules.filter(({ rule }) => rule.featureIds?.includes(featureId) ?? true);
    if (own.length === 0) continue;
    const one = { state, balance, value: toValue(state, balance, held), atUs };
    const reached = thresholdsReached(own, one);
    toFire.push(...resetsSince(own, one, seenUs), ...reached.toFire);
    left.set(customerId, leastOf([left.get(customerId), reached.headroom]));
    const resetsSeenToUs = balance.resets.lastAt(atUs)?.atUs ?? state.entitlement.measureUsageFromUs!;
    notes.push({ id, resetsSeenToUs, nextChangeUs: nextChangeOf(state.grants, balance.period, atUs) });
  }
  const events = await fireAll(sql, toFire);
  await noteLookedAt(sql, notes);
  if ('meterId' in of) {
    for (const { id, stateToken } of tokens)
      headroom.set(headroomKey(of.meterId, id), stateToken, left.get(id));
  } else {
    for (const { state } of looked) headroom.drop(headroomKey(state.meterId!, state.entitlement.customerId));
  }
  return events;
}

interface Looked {
  state: EntitlementState;
  balance: Balance;
  value: EntitlementValue;
  atUs: number;
}

async function readLooked(
  tx: Transaction,
  checks: CheckRunner,
  namespace: string,
  of: LookedAtOf,
  atUs: number,
  runner: UsageRunner,
) {
  const tokens = 'ids' in of ? [] : await stateTokens(tx, of.customerIds);
  const states =
    'ids' in of
      ? await readEntitlementStates(tx, namespace, of, of.ids.length)
      : [...(await checks.states.of(tx, namespace, tokens)).values()].flat();
  const live = states.filter(
    ({ entitlement: { type, deletedAtUs }, meterId }) =>
      type === 'metered' && deletedAtUs === undefined && meterId && ('ids' in of || meterId === of.meterId),
  );
  const ids = live.map(({ entitlement }) => entitlement.id);
  const [seen, held, balances] = await Promise.all([
    resetsSeen(tx, ids),
    heldAmounts(tx, ids),
    balancesOf(tx, live, { atUs, isNow: true }, runner),
  ]);
  const looked = live.map((state, i) => ({
    state,
    balance: balances[i]!,
    held: held.get(ids[i]!),
    seenUs: seen.get(ids[i]!),
  }));
  return { looked, tokens };
}

/** With what may be used still before one more can be reached: undefined = nothing reaches any. */
function thresholdsReached(rules: readonly WatchedRule[], { state, balance, value, atUs }: Looked) {
  const measured: Measured = {
    usage: balance.usage,
    balance: balance.balance,
    granted: addDecimals(balance.grantUsage, balance.balance),
  };
  const toFire: ToFire[] = [];
  let headroom: Decimal | undefined;
  for (const { rule, wire } of rules) {
    if (rule.type !== 'entitlements.balance.threshold') continue;
    const { reached: thresholds, headroom: own } = heldAgainst(rule.thresholds, measured);
    headroom = leastOf([headroom, own]);
    if (thresholds.length === 0) continue;
    const reached = {
      ...{ rule, wire, target: state.entitlement.id, periodFromUs: balance.period.fromUs },
      ...{ rollingUs: undefined, thresholds, measured },
      dataOf: (tx: Transaction, threshold: Threshold, skippedThresholds: readonly Threshold[]) =>
        dataOf(tx, state, value, atUs, { threshold, skippedThresholds }),
    };
    toFire.push(...ofThresholds(reached));
  }
  return { toFire, headroom };
}

/** Resets since the last look, each that happened after the rule was made. */
function resetsSince(
  rules: readonly WatchedRule[],
  { state, balance, value, atUs }: Looked,
  seenUs: number | undefined,
): ToFire[] {
  return rules.flatMap(({ rule, wire }) => {
    if (rule.type !== 'entitlements.reset') return [];
    const sinceUs = Math.max(seenUs ?? 0, rule.createdAt.getTime() * 1_000, state.entitlement.activeFromUs);
    return balance.resets
      .between(sinceUs, atUs)
      .slice(-resetsMax)
      .map((reset) => ({
        ...{ rule, wire, target: state.entitlement.id, periodFromUs: reset.atUs },
        ...{ rollingUs: undefined, keys: ['reset'] },
        dataOf: (tx) => dataOf(tx, state, value, atUs, {}),
      }));
  });
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
