import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import type { Customer } from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { heldAmounts } from '@usage/db/limits/holds.ts';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { ValueQuery } from '@usage/lib/limits/api/queries.ts';
import { balancesOf } from '../checks/balances.ts';
import type { Freshness } from '../checks/freshness.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { noAccess, toValue } from '../checks/value.ts';
import type { Ask } from '../http/ask.ts';
import { findOwner } from './owner.ts';

export interface EntitlementParts {
  sql: Sql;
  checks: CheckRunner;
  freshness: Freshness;
}

const nowUs = () => Date.now() * 1_000;

/** Of one entitlement, at `time` or now; without one there is no access, as OpenMeter answers. */
export async function valueAnswer({ checks, freshness }: EntitlementParts, ask: Ask): Promise<Response> {
  const { time } = readParameters(ValueQuery, ask.request);
  const fresh = freshness(ask.request);
  const value = await checks.read(
    'value',
    ask.namespace,
    async (tx, runner) => {
      const state = await findState(tx, checks, ask, await findOwner(tx, ask));
      const atUs = time === undefined ? nowUs() : parseTimeUs(time)!;
      if (!state || !isActive(state, atUs)) return noAccess;
      const { type, id } = state.entitlement;
      if (type !== 'metered') return toValue(state, undefined);
      const [held, [balance]] = await Promise.all([
        heldAmounts(tx, [id]),
        balancesOf(tx, [state], { atUs, isNow: time === undefined }, runner),
      ]);
      return toValue(state, balance, held.get(id));
    },
    fresh,
  );
  return Response.json(value, { headers: await fresh });
}

/** By the feature's key one that is not deleted, or by id. */
async function findState(
  tx: Transaction,
  { states }: CheckRunner,
  { namespace, params }: Ask,
  owner: Customer,
): Promise<EntitlementState | undefined> {
  const idOrKey = (params.entitlementIdOrFeatureKey ?? params.featureKey)!;
  const own = (await states.of(tx, namespace, [owner])).get(owner.id)!;
  const live =
    own.find(({ entitlement }) => entitlement.featureKey === idOrKey) ??
    own.find(({ entitlement }) => entitlement.id === idOrKey);
  if (live) return live;
  const [deleted] = await readEntitlementStates(tx, namespace, { ids: [idOrKey] }, 1);
  return deleted?.entitlement.customerId === owner.id ? deleted : undefined;
}

export function isActive({ entitlement }: EntitlementState, atUs: number): boolean {
  const {
    activeFromUs,
    activeToUs = Number.POSITIVE_INFINITY,
    measureUsageFromUs = activeFromUs,
  } = entitlement;
  return Math.min(activeFromUs, measureUsageFromUs) <= atUs && atUs < activeToUs;
}
