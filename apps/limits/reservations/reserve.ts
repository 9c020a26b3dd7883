import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import * as store from '@usage/db/limits/reservations.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import {
  compareDecimals,
  type Decimal,
  formatDecimal,
  subtractDecimals,
} from '@usage/lib/decimal/decimal.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { balancesOf } from '../checks/balances.ts';
import { availableOf } from '../checks/value.ts';

export interface Wanted {
  namespace: string;
  /** Id, key or subject. */
  customer: string;
  featureKey: string;
  amount: Decimal;
  lockId: string;
  expiresInMs: number;
  onOverage: 'reject' | 'cap';
  event: store.Reservation['event'];
}

export interface Reserved {
  reservation: store.Reservation;
  /** Left after it; undefined where the reservation was there already. */
  available: Decimal | undefined;
}

const triesMax = 10;
const pauseMsMax = 20;
const collisionCodes = new Set<unknown>(['40001', '40P01']);

/**
 * Reserves for all who ask, in order, in one transaction whose snapshot holds every reservation, event and usage that was
 * committed before. Somebody else who reserves of the same entitlement at the same time collides with it (claimEntitlements),
 * and one of the two begins anew with a snapshot that holds the other's: so no two ever get the same amount.
 */
export async function reserveAll(
  sql: Sql,
  wanted: readonly Wanted[],
  usageRunner: () => UsageRunner,
): Promise<(Reserved | Error)[]> {
  const ids = await store.entitlementsNamed(sql, wanted);
  const claimed = [...new Set(ids.filter((id) => id !== undefined))].sort();
  if (claimed.length === 0) return wanted.map(noEntitlement);
  for (let tries = 1; ; tries++) {
    try {
      return await store.reserveSnapshot(sql, async (tx) => {
        await store.claimEntitlements(tx, claimed);
        return reserveClaimed(tx, wanted, ids, usageRunner());
      });
    } catch (error) {
      if (!collisionCodes.has((error as { code?: unknown }).code)) throw error;
      if (tries === triesMax)
        throw unavailable('Too many reserve of the same entitlement at once; try again.', 1, error);
      await Bun.sleep(Math.random() * pauseMsMax * tries);
    }
  }
}

async function reserveClaimed(
  tx: Transaction,
  wanted: readonly Wanted[],
  ids: readonly (string | undefined)[],
  runner: UsageRunner,
): Promise<(Reserved | Error)[]> {
  const states = await statesOf(tx, wanted, ids);
  const metered = [...states.values()].filter(({ entitlement }) => entitlement.type === 'metered');
  const locks = wanted.flatMap(({ lockId }, i) => (ids[i] ? [{ entitlementId: ids[i], lockId }] : []));
  const existing = new Map(
    (await store.reservationsByLock(tx, locks)).map((one) => [lockKey(one.entitlementId, one.lockId), one]),
  );
  const left = await leftOf(tx, metered, runner);
  const added = new Map<string, { reservation: store.NewReservation; available: Decimal }>();
  const plans = wanted.map((one, i): Error | string | store.Reservation => {
    const state = ids[i] === undefined ? undefined : states.get(ids[i]);
    if (!state) return noEntitlement(one);
    if (state.entitlement.type !== 'metered')
      return new Problem(
        'bad_request',
        `Only metered entitlements can be reserved; ${one.featureKey} is not one.`,
      );
    const key = lockKey(state.entitlement.id, one.lockId);
    const before = existing.get(key) ?? added.get(key)?.reservation;
    if (before)
      return sameOrConflict(before, one) ?? (existing.get(key) as store.Reservation | undefined) ?? key;
    const decided = decide(one, state, left.get(state.entitlement.id)!);
    if (decided instanceof Error) return decided;
    const available = subtractDecimals(left.get(state.entitlement.id)!, decided);
    left.set(state.entitlement.id, available);
    added.set(key, {
      reservation: { ...one, entitlementId: state.entitlement.id, requested: one.amount, amount: decided },
      available,
    });
    return key;
  });
  const keys = [...added.keys()];
  const inserted =
    keys.length === 0
      ? []
      : await store.insertReservations(
          tx,
          [...added.values()].map(({ reservation }) => reservation),
        );
  const byKey = new Map(keys.map((key, i) => [key, inserted[i]!]));
  return plans.map((plan) => {
    if (plan instanceof Error) return plan;
    if (typeof plan !== 'string') return { reservation: plan, available: undefined };
    return { reservation: byKey.get(plan)!, available: added.get(plan)!.available };
  });
}

async function statesOf(tx: Transaction, wanted: readonly Wanted[], ids: readonly (string | undefined)[]) {
  const byNamespace = new Map<string, Set<string>>();
  wanted.forEach(({ namespace }, i) => {
    if (ids[i] === undefined) return;
    const own = byNamespace.get(namespace) ?? new Set();
    byNamespace.set(namespace, own.add(ids[i]));
  });
  const states = new Map<string, EntitlementState>();
  for (const [namespace, own] of byNamespace) {
    for (const state of await readEntitlementStates(tx, namespace, { ids: [...own] }, own.size))
      if (state.entitlement.deletedAtUs === undefined) states.set(state.entitlement.id, state);
  }
  return states;
}

/** By entitlement. */
async function leftOf(
  tx: Transaction,
  metered: readonly EntitlementState[],
  runner: UsageRunner,
): Promise<Map<string, Decimal>> {
  const left = new Map<string, Decimal>();
  for (const own of Map.groupBy(metered, ({ entitlement }) => entitlement.namespace).values()) {
    const balances = await balancesOf(tx, own, { atUs: Date.now() * 1_000, isNow: true }, runner);
    own.forEach((state, i) => {
      left.set(state.entitlement.id, availableOf(state, balances[i]!));
    });
  }
  return left;
}

/** How much is held, or why not. */
function decide(
  { amount, onOverage, featureKey }: Wanted,
  { entitlement }: EntitlementState,
  left: Decimal,
): Decimal | Error {
  if (entitlement.isSoftLimit || compareDecimals(amount, left) <= 0) return amount;
  if (onOverage === 'cap' && compareDecimals(left, 0) > 0) return left;
  const available = formatDecimal(compareDecimals(left, 0) > 0 ? left : 0);
  return new Problem(
    'conflict',
    `Only ${available} of ${featureKey} is left, ${formatDecimal(amount)} was asked for.`,
    {
      extensions: { reason: 'usage_limit_reached', available },
    },
  );
}

function sameOrConflict(
  before: Pick<store.Reservation, 'requested'>,
  { amount, lockId }: Wanted,
): Error | undefined {
  if (compareDecimals(before.requested, amount) === 0) return undefined;
  return new Problem(
    'conflict',
    `The lockId ${JSON.stringify(lockId)} has reserved ${formatDecimal(before.requested)} already, not ${formatDecimal(amount)}.`,
  );
}

function lockKey(entitlementId: string, lockId: string): string {
  return `${entitlementId} ${lockId}`;
}

function noEntitlement({ customer, featureKey }: Wanted): Problem {
  return new Problem(
    'not_found',
    `The customer ${JSON.stringify(customer.slice(0, 100))} has no entitlement to ${JSON.stringify(featureKey)}.`,
  );
}
