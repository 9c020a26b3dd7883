import type { Sql } from '@usage/db/connection/connect.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { invalid } from '@usage/lib/http/faults.ts';
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
  const time = ask.query.get('time');
  const reason = time === null ? undefined : timeFault(time);
  if (reason !== undefined) throw invalid('query', [{ field: 'time', reason }]);
  const fresh = freshness(ask.request);
  const value = await checks.read(
    'value',
    ask.namespace,
    async (tx, runner) => {
      const owner = await findOwner(tx, ask);
      const idOrKey = (ask.params.entitlementIdOrFeatureKey ?? ask.params.featureKey)!;
      const states = await readEntitlementStates(
        tx,
        ask.namespace,
        { customerIds: [owner.id], featureKeys: [idOrKey] },
        1,
      );
      const [state] =
        states.length > 0
          ? states
          : (await readEntitlementStates(tx, ask.namespace, { ids: [idOrKey] }, 1)).filter(
              ({ entitlement }) => entitlement.customerId === owner.id,
            );
      const atUs = time === null ? nowUs() : parseTimeUs(time)!;
      if (!state || !isActive(state, atUs)) return noAccess;
      if (state.entitlement.type !== 'metered') return toValue(state, undefined);
      const [balance] = await balancesOf(tx, [state], { atUs, isNow: time === null }, runner);
      return toValue(state, balance);
    },
    fresh,
  );
  return Response.json(value, { headers: await fresh });
}

export function isActive({ entitlement }: EntitlementState, atUs: number): boolean {
  const {
    activeFromUs,
    activeToUs = Number.POSITIVE_INFINITY,
    measureUsageFromUs = activeFromUs,
  } = entitlement;
  return Math.min(activeFromUs, measureUsageFromUs) <= atUs && atUs < activeToUs;
}
