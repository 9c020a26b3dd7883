import type { Transaction } from '@usage/db/connection/connect.ts';
import { type Customer, customersOfSubjects } from '@usage/db/limits/customers.ts';
import { featuresByKey } from '@usage/db/limits/features.ts';
import { heldAmounts } from '@usage/db/limits/holds.ts';
import { AccessQuery, featuresPerQueryMax } from '@usage/lib/limits/api/access.ts';
import { balancesOf } from '../checks/balances.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { type EntitlementValue, toValue } from '../checks/value.ts';
import { toWire } from '../customers/handlers.ts';
import { liveCustomer } from '../entitlements/owner.ts';
import { type EntitlementParts, isActive } from '../entitlements/valueAnswer.ts';
import { type Ask, bodyOf } from '../http/ask.ts';

/** Checks of many entitlements at once, on one snapshot. */
export function accessHandlers({ checks, freshness }: EntitlementParts) {
  return {
    async getCustomerAccess(ask: Ask): Promise<Response> {
      const fresh = freshness(ask.request);
      const entitlements = await checks.read(
        'access',
        ask.namespace,
        async (tx) => {
          const customer = await liveCustomer(tx, ask.namespace, ask.params.customerIdOrKey!);
          const values = await valuesOf(tx, ask.namespace, [customer], undefined, checks);
          return Object.fromEntries(values.map(({ featureKey, value }) => [featureKey, value]));
        },
        fresh,
      );
      return Response.json({ entitlements }, { headers: await fresh });
    },

    async queryEntitlementAccess(ask: Ask): Promise<Response> {
      const query = await bodyOf(ask, AccessQuery, 'query');
      const keys = [...new Set(query.customer.keys)];
      const fresh = freshness(ask.request);
      const answer = await checks.read(
        'query',
        ask.namespace,
        async (tx) => {
          const [found, features] = await Promise.all([
            customersOfSubjects(tx, ask.namespace, keys),
            featuresByKey(tx, ask.namespace, query.feature?.keys, featuresPerQueryMax),
          ]);
          const customers = new Map([...found.values()].map((customer) => [customer.id, customer]));
          const featureKeys = features.map(({ key }) => key);
          const values = await valuesOf(tx, ask.namespace, [...customers.values()], featureKeys, checks);
          const known = new Set(featureKeys);
          const checked = Map.groupBy(values, ({ customerId }) => customerId);
          const asked = query.feature?.keys ?? featureKeys;
          const updatedAt = new Date().toISOString();
          return {
            data: [...customers.values()].map((customer) => ({
              matched: keys.filter((key) => found.get(key)?.id === customer.id),
              customer: customerWire(customer),
              features: accessByKey(asked, known, checked.get(customer.id) ?? []),
              updated_at: updatedAt,
            })),
            errors: keys
              .filter((key) => !found.has(key))
              .map((key) => ({
                code: 'customer_not_found',
                message: `No customer has this key or subject: ${key}`,
                customer: key,
              })),
            meta: { page: { size: customers.size } },
          };
        },
        fresh,
      );
      return Response.json(answer, { headers: await fresh });
    },
  };
}

interface CheckedEntitlement {
  customerId: string;
  featureKey: string;
  value: EntitlementValue;
}

async function valuesOf(
  tx: Transaction,
  namespace: string,
  customers: readonly Customer[],
  featureKeys: readonly string[] | undefined,
  checks: CheckRunner,
): Promise<CheckedEntitlement[]> {
  const states = await checks.states.of(tx, namespace, customers);
  const wanted = featureKeys && new Set(featureKeys);
  const atUs = Date.now() * 1_000;
  const active = [...states.values()]
    .flat()
    .filter((state) => isActive(state, atUs) && (wanted?.has(state.entitlement.featureKey) ?? true));
  const metered = active.filter(({ entitlement }) => entitlement.type === 'metered');
  const ids = metered.map(({ entitlement }) => entitlement.id);
  const [held, balances] = await Promise.all([
    heldAmounts(tx, ids),
    balancesOf(tx, metered, { atUs, isNow: true }, checks.usageRunner()),
  ]);
  const byState = new Map(metered.map((state, i) => [state, balances[i]!]));
  return active.map((state) => ({
    customerId: state.entitlement.customerId,
    featureKey: state.entitlement.featureKey,
    value: toValue(state, byState.get(state), held.get(state.entitlement.id)),
  }));
}

function accessByKey(
  keys: readonly string[],
  known: ReadonlySet<string>,
  checked: readonly CheckedEntitlement[],
) {
  const values = new Map(checked.map(({ featureKey, value }) => [featureKey, value]));
  return Object.fromEntries(keys.map((key) => [key, accessOf(key, known, values.get(key))]));
}

function accessOf(key: string, known: ReadonlySet<string>, value: EntitlementValue | undefined) {
  if (!known.has(key)) return refused('feature_not_found', `There is no feature ${key}.`);
  if (!value) return refused('feature_unavailable', `The customer has no entitlement to ${key}.`);
  if (value.hasAccess) return { has_access: true };
  return refused('usage_limit_reached', `Nothing is left of ${key} in the current usage period.`);
}

function refused(code: string, message: string) {
  return { has_access: false, reason: { code, message } };
}

/** In the words of OpenMeter's v3. */
function customerWire(customer: Customer) {
  const { usageAttribution, createdAt, updatedAt, primaryEmail, billingAddress, metadata, ...rest } =
    toWire(customer);
  return {
    ...rest,
    usage_attribution: { subject_keys: usageAttribution.subjectKeys },
    ...(primaryEmail !== undefined && { primary_email: primaryEmail }),
    ...(metadata && { labels: metadata }),
    created_at: createdAt,
    updated_at: updatedAt,
  };
}
