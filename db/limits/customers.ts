import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';

export interface Customer {
  /** ULID. */
  id: string;
  namespace: string;
  key: string | undefined;
  name: string;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  annotations: Record<string, unknown> | undefined;
  subjectKeys: string[];
  primaryEmail: string | undefined;
  currency: string | undefined;
  billingAddress: Record<string, string> | undefined;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | undefined;
  /** Another one with every change of the customer, its subjects, entitlements, grants and resets. */
  stateToken: string;
}

/** What a request says of a customer; what it leaves out is cleared. */
export type CustomerFields = Omit<
  Customer,
  'id' | 'namespace' | 'createdAt' | 'updatedAt' | 'deletedAt' | 'stateToken'
>;

export type CustomerOrder = 'id' | 'name' | 'createdAt';

export interface CustomerListing {
  page: number;
  pageSize: number;
  orderBy: CustomerOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
  /** Texts that the field contains, whatever the case; undefined = any. */
  key: string | undefined;
  name: string | undefined;
  primaryEmail: string | undefined;
  subject: string | undefined;
}

/** Subjects whose usage counts for a customer: its key and its subject keys. */
export function subjectsOf(customer: Pick<Customer, 'key' | 'subjectKeys'>): string[] {
  return [...new Set([...(customer.key === undefined ? [] : [customer.key]), ...customer.subjectKeys])];
}

/** Undefined where another customer has the key. */
export async function insertCustomer(
  tx: Transaction,
  namespace: string,
  fields: CustomerFields,
): Promise<Customer | undefined> {
  const [row] = await tx<CustomerRow[]>`
    INSERT INTO customers AS c (id, namespace, key, name, description, metadata, annotations, subject_keys, primary_email,
                                currency, billing_address)
    VALUES (${ulid()}, ${namespace}, ${fields.key ?? null}, ${fields.name}, ${fields.description ?? null},
            ${jsonOf(tx, fields.metadata)}, ${jsonOf(tx, fields.annotations)}, ${fields.subjectKeys}::text[],
            ${fields.primaryEmail ?? null}, ${fields.currency ?? null}, ${jsonOf(tx, fields.billingAddress)})
    ON CONFLICT (namespace, key) WHERE deleted_at IS NULL DO NOTHING
    RETURNING ${columns(tx)}`;
  return row && toCustomer(row);
}

/** Throws SQLSTATE 23505 where another customer has the key. */
export async function replaceCustomer(
  tx: Transaction,
  id: string,
  fields: CustomerFields,
): Promise<Customer> {
  const [row] = await tx<CustomerRow[]>`
    UPDATE customers AS c SET key = ${fields.key ?? null}, name = ${fields.name}, description = ${fields.description ?? null},
      metadata = ${jsonOf(tx, fields.metadata)}, annotations = ${jsonOf(tx, fields.annotations)},
      subject_keys = ${fields.subjectKeys}::text[], primary_email = ${fields.primaryEmail ?? null},
      currency = ${fields.currency ?? null}, billing_address = ${jsonOf(tx, fields.billingAddress)}, updated_at = now()
    WHERE id = ${id} RETURNING ${columns(tx)}`;
  return toCustomer(row!);
}

export async function markCustomerDeleted(tx: Transaction, id: string): Promise<void> {
  await tx`UPDATE customers SET deleted_at = now(), updated_at = now() WHERE id = ${id}`;
}

/** Gives the customer exactly these subjects. Returns those that another customer has: then nothing may be committed. */
export async function assignSubjects(
  tx: Transaction,
  { id, namespace }: Pick<Customer, 'id' | 'namespace'>,
  subjects: readonly string[],
): Promise<string[]> {
  await tx`DELETE FROM customer_subjects WHERE customer_id = ${id} AND subject <> ALL(${[...subjects]}::text[])`;
  const rows = await tx<{ subject: string }[]>`
    INSERT INTO customer_subjects (namespace, subject, customer_id)
    SELECT ${namespace}, subject, ${id} FROM unnest(${[...subjects].sort()}::text[]) AS given (subject)
    ON CONFLICT (namespace, subject) DO UPDATE SET customer_id = customer_subjects.customer_id
    WHERE customer_subjects.customer_id = excluded.customer_id
    RETURNING subject`;
  const own = new Set(rows.map(({ subject }) => subject));
  return subjects.filter((subject) => !own.has(subject));
}

/** By id, deleted or not, or by the key of one that is not deleted. */
export async function getCustomer(
  sql: Executor,
  namespace: string,
  idOrKey: string,
): Promise<Customer | undefined> {
  const [row] = await sql<CustomerRow[]>`
    SELECT ${columns(sql)} FROM customers c
    WHERE c.namespace = ${namespace} AND (c.id = ${idOrKey} OR (c.key = ${idOrKey} AND c.deleted_at IS NULL))
    ORDER BY c.id = ${idOrKey} DESC LIMIT 1`;
  return row && toCustomer(row);
}

/** The same, locked until the transaction ends. */
export async function lockCustomer(
  tx: Transaction,
  namespace: string,
  idOrKey: string,
): Promise<Customer | undefined> {
  const [row] = await tx<CustomerRow[]>`
    SELECT ${columns(tx)} FROM customers c
    WHERE c.namespace = ${namespace} AND (c.id = ${idOrKey} OR (c.key = ${idOrKey} AND c.deleted_at IS NULL))
    ORDER BY c.id = ${idOrKey} DESC LIMIT 1 FOR UPDATE`;
  return row && toCustomer(row);
}

/** Customers that these subjects, or keys, belong to, by subject. */
export async function customersOfSubjects(
  sql: Executor,
  namespace: string,
  subjects: readonly string[],
): Promise<Map<string, Customer>> {
  const rows = await sql<(CustomerRow & { subject: string })[]>`
    SELECT s.subject, ${columns(sql)} FROM customer_subjects s JOIN customers c ON c.id = s.customer_id
    WHERE s.namespace = ${namespace} AND s.subject = ANY(${[...subjects]}::text[])`;
  return new Map(rows.map((row) => [row.subject, toCustomer(row)]));
}

/** The subjects of customers that are not deleted, by the customer's id; unknown ids are left out. */
export async function subjectsOfCustomers(
  sql: Executor,
  namespace: string,
  ids: readonly string[],
): Promise<Map<string, string[]>> {
  const rows = await sql<{ id: string; subjects: string[] }[]>`
    SELECT customer_id AS id, array_agg(subject ORDER BY subject) AS subjects FROM customer_subjects
    WHERE namespace = ${namespace} AND customer_id = ANY(${[...ids]}::text[]) GROUP BY customer_id`;
  return new Map(rows.map(({ id, subjects }) => [id, subjects]));
}

/** The customers' ids by subject, of the whole namespace; at most subjectsMax. */
export async function allCustomerSubjects(
  sql: Executor,
  namespace: string,
  subjectsMax: number,
): Promise<{ subject: string; customerId: string }[]> {
  return sql<{ subject: string; customerId: string }[]>`
    SELECT subject, customer_id AS "customerId" FROM customer_subjects WHERE namespace = ${namespace} LIMIT ${subjectsMax}`;
}

/** One page, and how many there are in all. */
export async function listCustomers(
  sql: Executor,
  namespace: string,
  listing: CustomerListing,
): Promise<{ customers: Customer[]; total: number }> {
  const contains = (text: string) => `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
  const { key, name, primaryEmail, subject } = listing;
  const where = sql`c.namespace = ${namespace}
    ${listing.includeDeleted ? sql`` : sql`AND c.deleted_at IS NULL`}
    ${key === undefined ? sql`` : sql`AND c.key ILIKE ${contains(key)}`}
    ${name === undefined ? sql`` : sql`AND c.name ILIKE ${contains(name)}`}
    ${primaryEmail === undefined ? sql`` : sql`AND c.primary_email ILIKE ${contains(primaryEmail)}`}
    ${subject === undefined ? sql`` : sql`AND EXISTS (SELECT FROM unnest(c.subject_keys) one WHERE one ILIKE ${contains(subject)})`}`;
  const rows = await sql<CustomerRow[]>`
    SELECT ${columns(sql)} FROM customers c WHERE ${where}
    ORDER BY ${orderColumn(sql, listing.orderBy)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, c.id
    LIMIT ${listing.pageSize} OFFSET ${(listing.page - 1) * listing.pageSize}`;
  const [count] = await sql<
    { total: number }[]
  >`SELECT count(*)::int AS total FROM customers c WHERE ${where}`;
  return { customers: rows.map(toCustomer), total: count!.total };
}

function orderColumn(sql: Executor, orderBy: CustomerOrder) {
  switch (orderBy) {
    case 'id':
      return sql`c.id COLLATE "C"`;
    case 'name':
      return sql`c.name COLLATE "C"`;
    case 'createdAt':
      return sql`c.created_at`;
    default:
      return orderBy satisfies never;
  }
}

function jsonOf(sql: Executor, value: object | undefined) {
  return sql`${value === undefined ? null : sql.json(value as never)}::jsonb`;
}

interface CustomerRow {
  id: string;
  namespace: string;
  key: string | null;
  name: string;
  description: string | null;
  metadata: Record<string, string> | null;
  annotations: Record<string, unknown> | null;
  subject_keys: string[];
  primary_email: string | null;
  currency: string | null;
  billing_address: Record<string, string> | null;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
  state_token: string;
}

function columns(sql: Executor) {
  return sql`c.id, c.namespace, c.key, c.name, c.description, c.metadata, c.annotations, c.subject_keys, c.primary_email,
    c.currency, c.billing_address, c.created_at, c.updated_at, c.deleted_at, c.state_token`;
}

function toCustomer(row: CustomerRow): Customer {
  return {
    id: row.id,
    namespace: row.namespace,
    key: row.key ?? undefined,
    name: row.name,
    description: row.description ?? undefined,
    metadata: row.metadata ?? undefined,
    annotations: row.annotations ?? undefined,
    subjectKeys: row.subject_keys,
    primaryEmail: row.primary_email ?? undefined,
    currency: row.currency ?? undefined,
    billingAddress: row.billing_address ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at ?? undefined,
    stateToken: row.state_token,
  };
}
