import { formatDecimal, readDecimal } from '@usage/lib/decimal/decimal.ts';
import type { Grant } from '@usage/lib/limits/engine/grants.ts';
import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalJson, optionalTime, usOf } from './columns.ts';

export interface StoredGrant extends Grant {
  namespace: string;
  entitlementId: string;
  expiration: { duration: string; count: number } | undefined;
  metadata: Record<string, string> | undefined;
  annotations: Record<string, unknown> | undefined;
  updatedAtUs: number;
}

export type GrantFields = Omit<
  StoredGrant,
  'id' | 'namespace' | 'entitlementId' | 'voidedAtUs' | 'createdAtUs' | 'updatedAtUs'
>;

export type GrantOrder = 'id' | 'createdAt' | 'updatedAt';

export interface GrantListing {
  limit: number;
  offset: number;
  orderBy: GrantOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
  entitlementIds?: readonly string[] | undefined;
  featureKeys?: readonly string[] | undefined;
  /** Ids of customers. */
  customerIds?: readonly string[] | undefined;
}

export async function insertGrant(
  tx: Transaction,
  { namespace, id: entitlementId }: { namespace: string; id: string },
  fields: GrantFields,
): Promise<StoredGrant> {
  const { expiration, recurrence } = fields;
  const [row] = await tx<GrantRow[]>`
    INSERT INTO grants AS g (id, namespace, entitlement_id, amount, priority, effective_at, expiration_duration, expiration_count,
                             expires_at, max_rollover, min_rollover, recurrence_interval, recurrence_anchor, recurrence_zone,
                             metadata, annotations)
    VALUES (${ulid()}, ${namespace}, ${entitlementId}, ${formatDecimal(fields.amount)}::text::numeric, ${fields.priority},
            ${optionalTime(tx, fields.effectiveAtUs)}, ${expiration?.duration ?? null}, ${expiration?.count ?? null},
            ${optionalTime(tx, fields.expiresAtUs)}, ${formatDecimal(fields.maxRollover)}::text::numeric,
            ${formatDecimal(fields.minRollover)}::text::numeric, ${recurrence?.interval ?? null},
            ${optionalTime(tx, recurrence?.anchorUs)}, ${recurrence?.zone ?? null}, ${optionalJson(tx, fields.metadata)},
            ${optionalJson(tx, fields.annotations)})
    RETURNING ${grantColumns(tx)}`;
  return toGrant(row!);
}

export async function getGrant(
  sql: Executor,
  namespace: string,
  id: string,
): Promise<StoredGrant | undefined> {
  const [row] = await sql<GrantRow[]>`
    SELECT ${grantColumns(sql)} FROM grants g WHERE g.namespace = ${namespace} AND g.id = ${id}`;
  return row && toGrant(row);
}

/** From now on; undefined where it is voided already. */
export async function voidGrant(tx: Transaction, id: string): Promise<StoredGrant | undefined> {
  const [row] = await tx<GrantRow[]>`
    UPDATE grants AS g SET voided_at = clock_timestamp(), updated_at = now() WHERE id = ${id} AND voided_at IS NULL
    RETURNING ${grantColumns(tx)}`;
  return row && toGrant(row);
}

export async function listGrants(
  sql: Executor,
  namespace: string,
  listing: GrantListing,
): Promise<{ grants: StoredGrant[]; total: number }> {
  const { entitlementIds, featureKeys, customerIds } = listing;
  const among = (column: string, values: readonly string[] | undefined) =>
    values ? sql`AND ${sql(column)} = ANY(${[...values]}::text[])` : sql``;
  const from = sql`FROM grants g JOIN entitlements e ON e.id = g.entitlement_id
    WHERE g.namespace = ${namespace} ${listing.includeDeleted ? sql`` : sql`AND g.voided_at IS NULL AND e.deleted_at IS NULL`}
      ${among('g.entitlement_id', entitlementIds)} ${among('e.feature_key', featureKeys)} ${among('e.customer_id', customerIds)}`;
  const column = { id: 'g.id', createdAt: 'g.created_at', updatedAt: 'g.updated_at' }[listing.orderBy];
  const rows = await sql<GrantRow[]>`
    SELECT ${grantColumns(sql)} ${from}
    ORDER BY ${sql(column)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, g.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`SELECT count(*)::int AS total ${from}`;
  return { grants: rows.map(toGrant), total: count!.total };
}

export interface GrantRow {
  id: string;
  namespace: string;
  entitlement_id: string;
  amount: string;
  priority: number;
  effective_us: number;
  expiration_duration: string | null;
  expiration_count: number | null;
  expires_us: number | null;
  max_rollover: string;
  min_rollover: string;
  recurrence_interval: string | null;
  recurrence_us: number | null;
  recurrence_zone: string | null;
  metadata: Record<string, string> | null;
  annotations: Record<string, unknown> | null;
  voided_us: number | null;
  created_us: number;
  updated_us: number;
}

/** Of the table grants, called g. */
export function grantColumns(sql: Executor) {
  return sql`g.id, g.namespace, g.entitlement_id, g.amount::text AS amount, g.priority, ${usOf(sql, 'g.effective_at')} AS effective_us,
    g.expiration_duration, g.expiration_count, ${usOf(sql, 'g.expires_at')} AS expires_us,
    g.max_rollover::text AS max_rollover, g.min_rollover::text AS min_rollover, g.recurrence_interval,
    ${usOf(sql, 'g.recurrence_anchor')} AS recurrence_us, g.recurrence_zone, g.metadata, g.annotations,
    ${usOf(sql, 'g.voided_at')} AS voided_us, ${usOf(sql, 'g.created_at')} AS created_us, ${usOf(sql, 'g.updated_at')} AS updated_us`;
}

export function toGrant(row: GrantRow): StoredGrant {
  return {
    id: row.id,
    namespace: row.namespace,
    entitlementId: row.entitlement_id,
    amount: readDecimal(row.amount),
    priority: row.priority,
    effectiveAtUs: row.effective_us,
    expiration:
      row.expiration_duration === null
        ? undefined
        : { duration: row.expiration_duration, count: row.expiration_count! },
    expiresAtUs: row.expires_us ?? undefined,
    voidedAtUs: row.voided_us ?? undefined,
    maxRollover: readDecimal(row.max_rollover),
    minRollover: readDecimal(row.min_rollover),
    recurrence:
      row.recurrence_interval === null
        ? undefined
        : { interval: row.recurrence_interval, anchorUs: row.recurrence_us!, zone: row.recurrence_zone! },
    metadata: row.metadata ?? undefined,
    annotations: row.annotations ?? undefined,
    createdAtUs: row.created_us,
    updatedAtUs: row.updated_us,
  };
}
