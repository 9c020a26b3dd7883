import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import type { Recurrence } from '@usage/lib/limits/engine/recurrence.ts';
import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalAmount, optionalJson, optionalTime, toAmount, usOf } from './columns.ts';

export type EntitlementType = 'metered' | 'static' | 'boolean';

export interface Entitlement {
  /** ULID. */
  id: string;
  namespace: string;
  customerId: string;
  customerKey: string | undefined;
  /** The customer's, in its order. */
  subjectKeys: string[];
  featureId: string;
  featureKey: string;
  type: EntitlementType;
  /** Of a static one: JSON text as given. */
  config: string | undefined;
  isSoftLimit: boolean;
  issue: { amount: Decimal; priority: number | undefined } | undefined;
  preserveOverage: boolean;
  /** µs since 1970; of a metered one, as is the usage period. */
  measureUsageFromUs: number | undefined;
  usagePeriod: Recurrence | undefined;
  metadata: Record<string, string> | undefined;
  annotations: Record<string, unknown> | undefined;
  activeFromUs: number;
  activeToUs: number | undefined;
  createdAtUs: number;
  updatedAtUs: number;
  deletedAtUs: number | undefined;
}

export type EntitlementFields = Pick<
  Entitlement,
  | 'customerId'
  | 'featureId'
  | 'featureKey'
  | 'type'
  | 'config'
  | 'isSoftLimit'
  | 'issue'
  | 'preserveOverage'
  | 'measureUsageFromUs'
  | 'usagePeriod'
  | 'metadata'
  | 'annotations'
  | 'activeFromUs'
>;

export type EntitlementOrder = 'createdAt' | 'updatedAt';

export interface EntitlementListing {
  limit: number;
  offset: number;
  orderBy: EntitlementOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
  customerIds?: readonly string[] | undefined;
  customerKeys?: readonly string[] | undefined;
  /** Keys or ids. */
  features?: readonly string[] | undefined;
  types?: readonly string[] | undefined;
}

/** Undefined where the customer has one to the feature already. */
export async function insertEntitlement(
  tx: Transaction,
  namespace: string,
  fields: EntitlementFields,
): Promise<Entitlement | undefined> {
  const { usagePeriod, issue } = fields;
  const [row] = await tx<{ id: string }[]>`
    INSERT INTO entitlements (id, namespace, customer_id, feature_id, feature_key, type, config, is_soft_limit, issue_amount,
                              issue_priority, preserve_overage, measure_usage_from, period_interval, period_anchor, period_zone,
                              metadata, annotations, active_from)
    VALUES (${ulid()}, ${namespace}, ${fields.customerId}, ${fields.featureId}, ${fields.featureKey}, ${fields.type},
            ${fields.config ?? null}, ${fields.isSoftLimit}, ${optionalAmount(tx, issue?.amount)}, ${issue?.priority ?? null},
            ${fields.preserveOverage}, ${optionalTime(tx, fields.measureUsageFromUs)}, ${usagePeriod?.interval ?? null},
            ${optionalTime(tx, usagePeriod?.anchorUs)}, ${usagePeriod?.zone ?? null}, ${optionalJson(tx, fields.metadata)},
            ${optionalJson(tx, fields.annotations)}, ${optionalTime(tx, fields.activeFromUs)})
    ON CONFLICT (customer_id, feature_key) WHERE deleted_at IS NULL DO NOTHING
    RETURNING id`;
  return row && (await getEntitlement(tx, namespace, row.id));
}

/** It is not active from `atUs` on. */
export async function endEntitlement(tx: Transaction, id: string, atUs: number): Promise<void> {
  await tx`
    UPDATE entitlements SET active_to = ${optionalTime(tx, atUs)}, deleted_at = ${optionalTime(tx, atUs)}, updated_at = now()
    WHERE id = ${id}`;
}

export async function getEntitlement(
  sql: Executor,
  namespace: string,
  id: string,
): Promise<Entitlement | undefined> {
  const [row] = await sql<EntitlementRow[]>`
    SELECT ${entitlementColumns(sql)} FROM entitlements e JOIN customers c ON c.id = e.customer_id
    WHERE e.namespace = ${namespace} AND e.id = ${id}`;
  return row && toEntitlement(row);
}

/** Of a customer: by id, or by the feature's key one that is not deleted. */
export async function getEntitlementOf(
  sql: Executor,
  customerId: string,
  idOrFeatureKey: string,
): Promise<Entitlement | undefined> {
  const [row] = await sql<EntitlementRow[]>`
    SELECT ${entitlementColumns(sql)} FROM entitlements e JOIN customers c ON c.id = e.customer_id
    WHERE e.customer_id = ${customerId}
      AND (e.id = ${idOrFeatureKey} OR (e.feature_key = ${idOrFeatureKey} AND e.deleted_at IS NULL))
    ORDER BY e.id = ${idOrFeatureKey} DESC LIMIT 1`;
  return row && toEntitlement(row);
}

/** Until the transaction ends nobody else reserves, resets, grants or ends it. */
export async function lockEntitlements(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx`SELECT FROM entitlements WHERE id = ANY(${[...ids]}::text[]) ORDER BY id FOR NO KEY UPDATE`;
}

export async function countActiveEntitlements(sql: Executor, customerId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM entitlements WHERE customer_id = ${customerId} AND deleted_at IS NULL`;
  return row!.count;
}

export async function listEntitlements(
  sql: Executor,
  namespace: string,
  listing: EntitlementListing,
): Promise<{ entitlements: Entitlement[]; total: number }> {
  const { customerIds, customerKeys, features, types } = listing;
  const among = (column: string, values: readonly string[] | undefined) =>
    values ? sql`AND ${sql(column)} = ANY(${[...values]}::text[])` : sql``;
  const from = sql`FROM entitlements e JOIN customers c ON c.id = e.customer_id
    WHERE e.namespace = ${namespace} ${listing.includeDeleted ? sql`` : sql`AND e.deleted_at IS NULL`}
      ${among('e.customer_id', customerIds)} ${among('c.key', customerKeys)} ${among('e.type', types)}
      ${features ? sql`AND (e.feature_key = ANY(${[...features]}::text[]) OR e.feature_id = ANY(${[...features]}::text[]))` : sql``}`;
  const column = { createdAt: 'e.created_at', updatedAt: 'e.updated_at' }[listing.orderBy];
  const rows = await sql<EntitlementRow[]>`
    SELECT ${entitlementColumns(sql)} ${from}
    ORDER BY ${sql(column)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, e.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`SELECT count(*)::int AS total ${from}`;
  return { entitlements: rows.map(toEntitlement), total: count!.total };
}

/** False where there is a reset at the same instant. */
export async function insertReset(
  tx: Transaction,
  entitlementId: string,
  reset: { atUs: number; movesAnchor: boolean; preserveOverage: boolean },
): Promise<boolean> {
  const { count } = await tx`
    INSERT INTO entitlement_resets (entitlement_id, at, moves_anchor, preserve_overage)
    VALUES (${entitlementId}, ${optionalTime(tx, reset.atUs)}, ${reset.movesAnchor}, ${reset.preserveOverage})
    ON CONFLICT DO NOTHING`;
  return count > 0;
}

export interface EntitlementRow {
  id: string;
  namespace: string;
  customer_id: string;
  customer_key: string | null;
  subject_keys: string[];
  feature_id: string;
  feature_key: string;
  type: EntitlementType;
  config: string | null;
  is_soft_limit: boolean;
  issue_amount: string | null;
  issue_priority: number | null;
  preserve_overage: boolean;
  measure_us: number | null;
  period_interval: string | null;
  period_us: number | null;
  period_zone: string | null;
  metadata: Record<string, string> | null;
  annotations: Record<string, unknown> | null;
  active_from_us: number;
  active_to_us: number | null;
  created_us: number;
  updated_us: number;
  deleted_us: number | null;
}

/** Of the tables entitlements and customers, called e and c. */
export function entitlementColumns(sql: Executor) {
  return sql`e.id, e.namespace, e.customer_id, c.key AS customer_key, c.subject_keys, e.feature_id, e.feature_key, e.type, e.config,
    e.is_soft_limit, e.issue_amount::text AS issue_amount, e.issue_priority, e.preserve_overage,
    ${usOf(sql, 'e.measure_usage_from')} AS measure_us, e.period_interval, ${usOf(sql, 'e.period_anchor')} AS period_us, e.period_zone,
    e.metadata, e.annotations, ${usOf(sql, 'e.active_from')} AS active_from_us, ${usOf(sql, 'e.active_to')} AS active_to_us,
    ${usOf(sql, 'e.created_at')} AS created_us, ${usOf(sql, 'e.updated_at')} AS updated_us, ${usOf(sql, 'e.deleted_at')} AS deleted_us`;
}

export function toEntitlement(row: EntitlementRow): Entitlement {
  const issued = toAmount(row.issue_amount);
  return {
    id: row.id,
    namespace: row.namespace,
    customerId: row.customer_id,
    customerKey: row.customer_key ?? undefined,
    subjectKeys: row.subject_keys,
    featureId: row.feature_id,
    featureKey: row.feature_key,
    type: row.type,
    config: row.config ?? undefined,
    isSoftLimit: row.is_soft_limit,
    issue: issued === undefined ? undefined : { amount: issued, priority: row.issue_priority ?? undefined },
    preserveOverage: row.preserve_overage,
    measureUsageFromUs: row.measure_us ?? undefined,
    usagePeriod:
      row.period_interval === null
        ? undefined
        : { interval: row.period_interval, anchorUs: row.period_us!, zone: row.period_zone ?? 'UTC' },
    metadata: row.metadata ?? undefined,
    annotations: row.annotations ?? undefined,
    activeFromUs: row.active_from_us,
    activeToUs: row.active_to_us ?? undefined,
    createdAtUs: row.created_us,
    updatedAtUs: row.updated_us,
    deletedAtUs: row.deleted_us ?? undefined,
  };
}
