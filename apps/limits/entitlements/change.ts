import type { Static } from '@sinclair/typebox';
import type { Transaction } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import { type Customer, lockCustomer } from '@usage/db/limits/customers.ts';
import * as store from '@usage/db/limits/entitlements.ts';
import { getFeature } from '@usage/db/limits/features.ts';
import { type GrantFields, insertGrant, type StoredGrant, voidGrant } from '@usage/db/limits/grants.ts';
import { noteEntitlementChange } from '@usage/db/notifications/feed.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import type { EntitlementInput, ResetInput } from '@usage/lib/limits/api/entitlementSchemas.ts';
import { resetsOf } from '../checks/tasks.ts';
import type { Ask } from '../http/ask.ts';
import { findEntitlement, lockOwner, stateOf } from './owner.ts';
import { issuedGrant, readEntitlement, timeOf, type WireVersion } from './rules.ts';
import { entitlementWire, grantWire } from './wire.ts';

/** Changes of entitlements and grants, each in one transaction with its entry in the audit log. */

const nowUs = () => Date.now() * 1_000;

/** Creates one for the owner; with `overridden`, ends that one at the same instant. Problems: 400, 404, 409. */
export async function createEntitlement(
  tx: Transaction,
  ask: Ask,
  input: EntitlementInput,
  version: WireVersion,
  overrides: boolean,
) {
  const customer = await lockOwner(tx, ask);
  const overridden = overrides ? await lockEntitlement(tx, customer, ask) : undefined;
  const now = nowUs();
  const read = readEntitlement(input, now, version);
  const feature = await featureOf(tx, ask.namespace, input);
  if (read.type === 'metered' && feature.meterId === undefined)
    throw invalid('entitlement', [
      { field: 'featureKey', reason: `names a feature without a meter: ${feature.key}` },
    ]);
  if (overridden) {
    if (overridden.featureKey !== feature.key)
      throw new Problem(
        'bad_request',
        `It is an entitlement to ${overridden.featureKey}: an override can't change the feature.`,
      );
    await store.endEntitlement(tx, overridden.id, now);
  }
  const { grants, ...fields } = read;
  const entitlement = await store.insertEntitlement(tx, ask.namespace, {
    ...fields,
    customerId: customer.id,
    featureId: feature.id,
    featureKey: feature.key,
    metadata: input.metadata ?? undefined,
    annotations: input.annotations ?? undefined,
    activeFromUs: now,
  });
  if (!entitlement)
    throw new Problem(
      'conflict',
      `The customer has an entitlement to ${feature.key} already: override or delete it.`,
    );
  if (read.issue) await insertGrant(tx, entitlement, issuedGrant(read.issue, read.measureUsageFromUs!));
  for (const [i, grant] of grants.entries())
    await addGrant(tx, entitlement, grant, `grants[${i}].effectiveAt`);
  await noteEntitlementChange(tx, entitlement.id);
  const wire = entitlementWire(await stateOf(tx, entitlement), version, now);
  await insertAudit(tx, ask.actor, {
    ...change(overridden ? 'override' : 'create', entitlement.id),
    after: wire,
  });
  return wire;
}

export async function deleteEntitlement(tx: Transaction, ask: Ask, version: WireVersion): Promise<void> {
  const entitlement = await lockEntitlement(tx, await lockOwner(tx, ask), ask);
  const before = entitlementWire(await stateOf(tx, entitlement), version, nowUs());
  await store.endEntitlement(tx, entitlement.id, nowUs());
  await insertAudit(tx, ask.actor, { ...change('delete', entitlement.id), before });
}

/** Problems: 400, 404, 409. */
export async function resetEntitlement(
  tx: Transaction,
  ask: Ask,
  input: Static<typeof ResetInput>,
): Promise<void> {
  const entitlement = await lockEntitlement(tx, await lockOwner(tx, ask), ask);
  if (entitlement.type !== 'metered') throw notMetered(entitlement);
  const now = nowUs();
  const issues: { field: string; reason: string }[] = [];
  const atUs = input.effectiveAt == null ? now : (timeOf(input.effectiveAt, 'effectiveAt', issues) ?? now);
  const lastUs =
    resetsOf(await stateOf(tx, entitlement)).lastAt(now)?.atUs ?? entitlement.measureUsageFromUs!;
  if (atUs > now) issues.push({ field: 'effectiveAt', reason: 'must not be in the future' });
  if (atUs <= lastUs)
    issues.push({ field: 'effectiveAt', reason: `must be after the last reset at ${formatTimeUs(lastUs)}` });
  if (issues.length > 0) throw invalid('reset', issues);
  const reset = {
    atUs,
    movesAnchor: !(input.retainAnchor ?? false),
    preserveOverage: input.preserveOverage ?? entitlement.preserveOverage,
  };
  await store.insertReset(tx, entitlement.id, reset);
  await noteEntitlementChange(tx, entitlement.id);
  await insertAudit(tx, ask.actor, {
    ...change('reset', entitlement.id),
    after: { ...reset, at: formatTimeUs(atUs) },
  });
}

/** Problems: 400, 404. */
export async function createGrant(
  tx: Transaction,
  ask: Ask,
  read: (entitlement: store.Entitlement) => GrantFields,
): Promise<StoredGrant> {
  const entitlement = await lockEntitlement(tx, await lockOwner(tx, ask), ask);
  if (entitlement.type !== 'metered') throw notMetered(entitlement);
  const grant = await addGrant(tx, entitlement, read(entitlement), 'effectiveAt');
  await noteEntitlementChange(tx, entitlement.id);
  await insertAudit(tx, ask.actor, {
    action: 'create',
    resource: 'grant',
    resourceId: grant.id,
    after: grantWire(grant, nowUs()),
  });
  return grant;
}

/** Problems: 409. */
export async function endGrant(tx: Transaction, ask: Ask, grant: StoredGrant): Promise<void> {
  const entitlement = await store.getEntitlement(tx, ask.namespace, grant.entitlementId);
  await lockCustomer(tx, ask.namespace, entitlement!.customerId); // first, as every other change does
  await store.lockEntitlements(tx, [grant.entitlementId]);
  const voided = await voidGrant(tx, grant.id);
  if (!voided) throw new Problem('conflict', 'The grant is voided already.');
  await noteEntitlementChange(tx, grant.entitlementId);
  await insertAudit(tx, ask.actor, {
    action: 'void',
    resource: 'grant',
    resourceId: grant.id,
    before: grantWire(grant, nowUs()),
  });
}

async function addGrant(
  tx: Transaction,
  entitlement: store.Entitlement,
  grant: GrantFields,
  field: string,
): Promise<StoredGrant> {
  const { fromUs } = resetsOf(await stateOf(tx, entitlement)).periodAt(nowUs());
  if (grant.effectiveAtUs < fromUs)
    throw invalid('grant', [
      {
        field,
        reason: `must not be before the current usage period, which began at ${formatTimeUs(fromUs)}`,
      },
    ]);
  return insertGrant(tx, entitlement, grant);
}

async function lockEntitlement(tx: Transaction, customer: Customer, ask: Ask): Promise<store.Entitlement> {
  const found = await findEntitlement(tx, customer, ask);
  await store.lockEntitlements(tx, [found.id]);
  const entitlement = await findEntitlement(tx, customer, ask);
  if (entitlement.deletedAtUs === undefined) return entitlement;
  throw new Problem('conflict', `The entitlement ended at ${formatTimeUs(entitlement.deletedAtUs)}.`);
}

async function featureOf(tx: Transaction, namespace: string, { featureKey, featureId }: EntitlementInput) {
  const idOrKey = featureId ?? featureKey;
  if (idOrKey == null)
    throw invalid('entitlement', [{ field: 'featureKey', reason: 'is required, or featureId' }]);
  const feature = await getFeature(tx, namespace, idOrKey);
  const matches = feature && (featureKey == null || feature.key === featureKey);
  if (!feature || !matches)
    throw new Problem('not_found', `There is no feature ${JSON.stringify(idOrKey.slice(0, 100))}.`);
  if (feature.archivedAt) throw new Problem('bad_request', `The feature ${feature.key} is archived.`);
  return feature;
}

function change(action: string, resourceId: string) {
  return { action, resource: 'entitlement', resourceId };
}

export function notMetered({ type }: store.Entitlement): Problem {
  return new Problem('bad_request', `This is only possible for metered entitlements; it is a ${type} one.`);
}
