import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import { heldAmounts } from '@usage/db/limits/holds.ts';
import * as store from '@usage/db/limits/reservations.ts';
import { stateTokens } from '@usage/db/limits/stateTokens.ts';
import {
  compareDecimals,
  type Decimal,
  formatDecimal,
  subtractDecimals,
} from '@usage/lib/decimal/decimal.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { balancesOf } from '../checks/balances.ts';
import type { CheckRunner } from '../checks/runner.ts';
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
  checks: CheckRunner,
): Promise<(Reserved | Error)[]> {
  const named = await store.entitlementsNamed(sql, wanted);
  const claimed = [...new Set(named.flatMap((one) => one?.id ?? []))].sort();
  if (claimed.length === 0) return wanted.map(noEntitlement);
  for (let tries = 1; ; tries++) {
    try {
      return await store.reserveSnapshot(sql, (tx) => reserveClaimed(tx, wanted, named, claimed, checks));
    } catch (error) {
      if (!collisionCodes.has((error as { code?: unknown }).code)) throw error;
      if (tries === triesMax)
        throw unavailable('Too many reserve of the same entitlement at once; try again.', 1, error);
      await Bun.sleep(Math.random() * pauseMsMax * tries);
    }
  }
}

type Named = readonly (store.NamedEntitlement | undefined)[];

/** The claim comes first: its snapshot is that of all that is read, and goes to the server together with it. */
async function reserveClaimed(
  tx: Transaction,
  wanted: readonly Wanted[],
  named: Named,
  claimed: readonly string[],
  checks: CheckRunner,
): Promise<(Reserved | Error)[]> {
  const locks = wanted.flatMap(({ lockId }, i) => (named[i] ? [{ entitlementId: named[i].id, lockId }] : []));
  const [, states, before, held] = await Promise.all([
    store.claimEntitlements(tx, claimed),
    statesOf(tx, named, checks),
    store.reservationsByLock(tx, locks),
    heldAmounts(tx, claimed),
  ]);
  const existing = new Map(before.map((one) => [lockKey(one.entitlementId, one.lockId), one]));
  const left = await leftOf(tx, states, held, checks);
  const added = new Map<string, { reservation: store.NewReservation; available: Decimal }>();
  const plans = wanted.map((one, i): Error | string | store.Reservation => {
    const state = named[i] && states.get(named[i].id);
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

/** By id, those that are named and not deleted. */
async function statesOf(tx: Transaction, named: Named, { states }: CheckRunner) {
  const wanted = new Set(named.flatMap((one) => one?.id ?? []));
  const tokens = await stateTokens(tx, [...new Set(named.flatMap((one) => one?.customerId ?? []))]);
  const found = new Map<string, EntitlementState>();
  for (const [namespace, customers] of Map.groupBy(tokens, (one) => one.namespace)) {
    for (const own of (await states.of(tx, namespace, customers)).values())
      for (const state of own) if (wanted.has(state.entitlement.id)) found.set(state.entitlement.id, state);
  }
  return found;
}

/** Of the metered ones, by entitlement. */
async function leftOf(
  tx: Transaction,
  states: ReadonlyMap<string, EntitlementState>,
  held: ReadonlyMap<string, Decimal>,
  checks: CheckRunner,
): Promise<Map<string, Decimal>> {
  const left = new Map<string, Decimal>();
  const metered = [...states.values()].filter(({ entitlement }) => entitlement.type === 'metered');
  for (const own of Map.groupBy(metered, ({ entitlement }) => entitlement.namespace).values()) {
    const question = { atUs: Date.now() * 1_000, isNow: true };
    const balances = await balancesOf(tx, own, question, checks.usageRunner());
    own.forEach(({ entitlement: { id } }, i) => {
      left.set(id, availableOf(balances[i]!, held.get(id) ?? 0));
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
