import type { Executor, Transaction } from '@usage/db/connection/connect.ts';
import * as customers from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { type Entitlement, getEntitlementOf } from '@usage/db/limits/entitlements.ts';
import { getSubject } from '@usage/db/subjects/subjects.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { createCustomer, notFound } from '../customers/handlers.ts';
import type { Ask } from '../http/ask.ts';

/** Whose entitlements a request is about: a customer by id or key, or the customer that a subject belongs to. */
export async function findOwner(sql: Executor, ask: Ask): Promise<customers.Customer> {
  const { subjectIdOrKey, customerIdOrKey } = ask.params;
  if (subjectIdOrKey === undefined) return liveCustomer(sql, ask.namespace, customerIdOrKey!);
  const { customer, key } = await customerOfSubject(sql, ask.namespace, subjectIdOrKey);
  if (customer) return customer;
  throw new Problem(
    'precondition_failed',
    `The subject ${JSON.stringify(key.slice(0, 100))} belongs to no customer: create an entitlement for it, or a customer with it.`,
  );
}

/** The same, locked; a subject without a customer gets one of its own, as OpenMeter gives every subject one. */
export async function lockOwner(tx: Transaction, ask: Ask): Promise<customers.Customer> {
  const { subjectIdOrKey, customerIdOrKey } = ask.params;
  if (subjectIdOrKey === undefined) {
    const customer = await customers.lockCustomer(tx, ask.namespace, customerIdOrKey!);
    if (customer && !customer.deletedAt) return customer;
    throw notFound(customerIdOrKey!);
  }
  const { customer, key, name } = await customerOfSubject(tx, ask.namespace, subjectIdOrKey);
  if (customer) return (await customers.lockCustomer(tx, ask.namespace, customer.id))!;
  if (key === '') throw new Problem('bad_request', 'A subject is not empty.');
  return createCustomer(tx, ask.actor, {
    key: undefined,
    name,
    description: undefined,
    metadata: undefined,
    annotations: undefined,
    subjectKeys: [key],
    primaryEmail: undefined,
    currency: undefined,
    billingAddress: undefined,
  });
}

export async function liveCustomer(
  sql: Executor,
  namespace: string,
  idOrKey: string,
): Promise<customers.Customer> {
  const customer = await customers.getCustomer(sql, namespace, idOrKey);
  if (customer && !customer.deletedAt) return customer;
  throw notFound(idOrKey);
}

async function customerOfSubject(sql: Executor, namespace: string, idOrKey: string) {
  const subject = await getSubject(sql, namespace, idOrKey);
  const key = subject?.key ?? idOrKey;
  const found = await customers.customersOfSubjects(sql, namespace, [key]);
  return { key, name: (subject?.displayName || key).slice(0, 256), customer: found.get(key) };
}

/** Of the owner, by id or by the feature's key. Problems: 404. */
export async function findEntitlement(
  sql: Executor,
  owner: customers.Customer,
  { params }: Ask,
): Promise<Entitlement> {
  const idOrKey = params.entitlementIdOrFeatureKey!;
  const entitlement = await getEntitlementOf(sql, owner.id, idOrKey);
  if (entitlement) return entitlement;
  throw noEntitlement(idOrKey);
}

export function noEntitlement(idOrKey: string): Problem {
  return new Problem(
    'not_found',
    `There is no entitlement with the id, or to the feature, ${JSON.stringify(idOrKey.slice(0, 100))}.`,
  );
}

export async function stateOf(sql: Executor, { namespace, id }: Entitlement): Promise<EntitlementState> {
  const [state] = await readEntitlementStates(sql, namespace, { ids: [id] }, 1);
  return state!;
}
