import type { Executor } from '@usage/db/connection/connect.ts';
import { readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { listEntitlements } from '@usage/db/limits/entitlements.ts';
import type { WireVersion } from './rules.ts';
import { entitlementWire } from './wire.ts';

/** Entitlements that match `listing`, as the API shows them now; `total` counts all that match. */
export async function listed(
  sql: Executor,
  namespace: string,
  listing: Parameters<typeof listEntitlements>[2],
  version: WireVersion,
) {
  const { entitlements, total } = await listEntitlements(sql, namespace, listing);
  const ids = entitlements.map(({ id }) => id);
  const states = await readEntitlementStates(sql, namespace, { ids }, ids.length);
  const byId = new Map(states.map((state) => [state.entitlement.id, state]));
  const now = Date.now() * 1_000;
  const items = ids.flatMap((id) => {
    const state = byId.get(id);
    return state ? [entitlementWire(state, version, now)] : [];
  });
  return { items, total };
}
