import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { uniqueViolation } from '@usage/db/connection/sqlStates.ts';
import { type Actor, insertAudit } from '@usage/db/limits/audit.ts';
import * as store from '@usage/db/limits/customers.ts';
import { countActiveEntitlements } from '@usage/db/limits/entitlements.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { CustomerInput } from '@usage/lib/limits/api/customers.ts';
import { CustomerListQuery, CustomerQuery, windowOf } from '@usage/lib/limits/api/queries.ts';
import { notPartOfThis } from '../billing/notPartOfThis.ts';
import { type Ask, bodyOf, pageAnswer } from '../http/ask.ts';

/** Customers: who is measured over many subjects. Errors are thrown as Problem. */
export function customerHandlers(sql: Sql) {
  return {
    async createCustomer(ask: Ask) {
      const fields = toFields(await bodyOf(ask, CustomerInput, 'customer'));
      return toWire(await sql.begin((tx) => createCustomer(tx, ask.actor, fields)));
    },
    async listCustomers({ namespace, request }: Ask) {
      const query = readParameters(CustomerListQuery, request);
      if (query.expand || query.planKey !== undefined) throw notPartOfThis('Subscriptions and plans');
      const { key, name, primaryEmail, subject, orderBy = 'name', order = 'ASC' } = query;
      const { includeDeleted = false } = query;
      const { page, pageSize } = windowOf(query);
      const listing = { page, pageSize, orderBy, order, includeDeleted, key, name, primaryEmail, subject };
      const { customers, total } = await store.listCustomers(sql, namespace, listing);
      return pageAnswer(listing, total, customers.map(toWire));
    },
    async getCustomer({ namespace, params, request }: Ask) {
      if (readParameters(CustomerQuery, request).expand) throw notPartOfThis('Subscriptions');
      const idOrKey = params.customerIdOrKey!;
      return toWire(found(await store.getCustomer(sql, namespace, idOrKey), idOrKey));
    },
    async updateCustomer(ask: Ask) {
      const fields = toFields(await bodyOf(ask, CustomerInput, 'customer'));
      return toWire(await sql.begin((tx) => replaceCustomer(tx, ask, fields)));
    },
    async deleteCustomer(ask: Ask) {
      await sql.begin((tx) => deleteCustomer(tx, ask));
      return undefined;
    },
  };
}

/** Problems: 400, 409. */
export async function createCustomer(
  tx: Transaction,
  actor: Actor,
  fields: store.CustomerFields,
): Promise<store.Customer> {
  const customer = await store.insertCustomer(tx, actor.namespace, fields);
  if (!customer) throw keyTaken(fields.key);
  await assign(tx, customer);
  await insertAudit(tx, actor, { ...change('create', customer), after: toWire(customer) });
  return customer;
}

async function replaceCustomer(tx: Transaction, ask: Ask, fields: store.CustomerFields) {
  const before = await lockLive(tx, ask);
  try {
    const customer = await store.replaceCustomer(tx, before.id, fields);
    await assign(tx, customer);
    await insertAudit(tx, ask.actor, {
      ...change('update', customer),
      before: toWire(before),
      after: toWire(customer),
    });
    return customer;
  } catch (error) {
    if ((error as { code?: unknown }).code === uniqueViolation) throw keyTaken(fields.key);
    throw error;
  }
}

async function deleteCustomer(tx: Transaction, ask: Ask): Promise<void> {
  const before = await lockLive(tx, ask);
  if ((await countActiveEntitlements(tx, before.id)) > 0)
    throw new Problem('bad_request', 'The customer has entitlements: delete these first.');
  await store.assignSubjects(tx, before, []);
  await store.markCustomerDeleted(tx, before.id);
  await insertAudit(tx, ask.actor, { ...change('delete', before), before: toWire(before) });
}

async function lockLive(tx: Transaction, { namespace, params }: Ask): Promise<store.Customer> {
  const idOrKey = params.customerIdOrKey!;
  const customer = found(await store.lockCustomer(tx, namespace, idOrKey), idOrKey);
  if (customer.deletedAt) throw notFound(idOrKey);
  return customer;
}

async function assign(tx: Transaction, customer: store.Customer): Promise<void> {
  const taken = await store.assignSubjects(tx, customer, store.subjectsOf(customer));
  if (taken.length === 0) return;
  const names = taken.slice(0, 10).map((subject) => JSON.stringify(subject));
  throw new Problem(
    'conflict',
    `Another customer has ${taken.length === 1 ? 'the subject' : 'the subjects'} ${names.join(', ')}: take it from there first. ` +
      'A customer’s key counts as a subject too.',
  );
}

function change(action: string, { id }: store.Customer) {
  return { action, resource: 'customer', resourceId: id };
}

function keyTaken(key: string | undefined): Problem {
  return new Problem('conflict', `Another customer has the key ${JSON.stringify(key)}.`);
}

function found(customer: store.Customer | undefined, idOrKey: string): store.Customer {
  if (customer) return customer;
  throw notFound(idOrKey);
}

export function notFound(idOrKey: string): Problem {
  return new Problem(
    'not_found',
    `There is no customer with the id or key ${JSON.stringify(idOrKey.slice(0, 100))}.`,
  );
}

function toFields(input: CustomerInput): store.CustomerFields {
  const subjectKeys = input.usageAttribution?.subjectKeys ?? [];
  if (!input.key && subjectKeys.length === 0)
    throw new Problem(
      'bad_request',
      'A customer needs a key or usageAttribution.subjectKeys: whose usage would it have otherwise?',
    );
  return {
    name: input.name,
    description: input.description ?? undefined,
    metadata: input.metadata ?? undefined,
    annotations: input.annotations ?? undefined,
    key: input.key ?? undefined,
    subjectKeys,
    primaryEmail: input.primaryEmail ?? undefined,
    currency: input.currency ?? undefined,
    billingAddress: withoutNulls(input.billingAddress),
  };
}

function withoutNulls(address: CustomerInput['billingAddress']): Record<string, string> | undefined {
  if (!address) return undefined;
  return Object.fromEntries(Object.entries(address).filter(([, value]) => value != null)) as Record<
    string,
    string
  >;
}

/** As OpenMeter answers: what is not set is left out. */
export function toWire(customer: store.Customer) {
  const { id, key, name, description, metadata, annotations, primaryEmail, currency, billingAddress } =
    customer;
  return {
    id,
    name,
    ...(key !== undefined && { key }),
    ...(description !== undefined && { description }),
    ...(metadata !== undefined && { metadata }),
    usageAttribution: { subjectKeys: customer.subjectKeys },
    ...(primaryEmail !== undefined && { primaryEmail }),
    ...(currency !== undefined && { currency }),
    ...(billingAddress !== undefined && { billingAddress }),
    ...(annotations !== undefined && { annotations }),
    createdAt: customer.createdAt.toISOString(),
    updatedAt: customer.updatedAt.toISOString(),
    ...(customer.deletedAt && { deletedAt: customer.deletedAt.toISOString() }),
  };
}
