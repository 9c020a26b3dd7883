import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';

export interface Feature {
  /** ULID. */
  id: string;
  namespace: string;
  key: string;
  name: string;
  metadata: Record<string, string> | undefined;
  meterId: string | undefined;
  meterSlug: string | undefined;
  /** Group-by name to value. */
  groupByFilters: Record<string, string> | undefined;
  /** Group-by name to a filter with operators. */
  advancedFilters: Record<string, unknown> | undefined;
  unitCost: Record<string, unknown> | undefined;
  createdAt: Date;
  updatedAt: Date;
  archivedAt: Date | undefined;
}

export type FeatureFields = Omit<
  Feature,
  'id' | 'namespace' | 'meterSlug' | 'createdAt' | 'updatedAt' | 'archivedAt'
>;

export type FeatureOrder = 'id' | 'key' | 'name' | 'createdAt' | 'updatedAt';

export interface FeatureListing {
  limit: number;
  offset: number;
  orderBy: FeatureOrder;
  order: 'ASC' | 'DESC';
  includeArchived: boolean;
  meterSlugs: string[] | undefined;
}

/** Undefined where a feature that is not archived has the key. */
export async function insertFeature(
  tx: Transaction,
  namespace: string,
  fields: FeatureFields,
): Promise<Feature | undefined> {
  const json = (value: object | undefined) => (value === undefined ? null : tx.json(value as never));
  const [row] = await tx<{ id: string }[]>`
    INSERT INTO features (id, namespace, key, name, metadata, meter_id, group_by_filters, advanced_filters, unit_cost)
    VALUES (${ulid()}, ${namespace}, ${fields.key}, ${fields.name}, ${json(fields.metadata)}::jsonb, ${fields.meterId ?? null},
            ${json(fields.groupByFilters)}::jsonb, ${json(fields.advancedFilters)}::jsonb, ${json(fields.unitCost)}::jsonb)
    ON CONFLICT (namespace, key) WHERE archived_at IS NULL DO NOTHING
    RETURNING id`;
  return row && (await getFeature(tx, namespace, row.id));
}

/** By id, archived or not, or by the key of one that is not archived. */
export async function getFeature(
  sql: Executor,
  namespace: string,
  idOrKey: string,
): Promise<Feature | undefined> {
  const [row] = await sql<FeatureRow[]>`
    SELECT ${columns(sql)} FROM features f LEFT JOIN meters m ON m.id = f.meter_id
    WHERE f.namespace = ${namespace} AND (f.id = ${idOrKey} OR (f.key = ${idOrKey} AND f.archived_at IS NULL))
    ORDER BY f.id = ${idOrKey} DESC LIMIT 1`;
  return row && toFeature(row);
}

/** Those that are not archived, by key; of all where `keys` is undefined, at most featuresMax. */
export async function featuresByKey(
  sql: Executor,
  namespace: string,
  keys: readonly string[] | undefined,
  featuresMax: number,
): Promise<Feature[]> {
  const rows = await sql<FeatureRow[]>`
    SELECT ${columns(sql)} FROM features f LEFT JOIN meters m ON m.id = f.meter_id
    WHERE f.namespace = ${namespace} AND f.archived_at IS NULL
      ${keys ? sql`AND f.key = ANY(${[...keys]}::text[])` : sql``}
    ORDER BY f.key COLLATE "C" LIMIT ${featuresMax}`;
  return rows.map(toFeature);
}

/** False where it is archived already. */
export async function archiveFeature(tx: Transaction, id: string): Promise<boolean> {
  const { count } = await tx`
    UPDATE features SET archived_at = now(), updated_at = now() WHERE id = ${id} AND archived_at IS NULL`;
  return count > 0;
}

export async function listFeatures(
  sql: Executor,
  namespace: string,
  listing: FeatureListing,
): Promise<{ features: Feature[]; total: number }> {
  const where = sql`f.namespace = ${namespace}
    ${listing.includeArchived ? sql`` : sql`AND f.archived_at IS NULL`}
    ${listing.meterSlugs ? sql`AND m.slug = ANY(${listing.meterSlugs}::text[])` : sql``}`;
  const rows = await sql<FeatureRow[]>`
    SELECT ${columns(sql)} FROM features f LEFT JOIN meters m ON m.id = f.meter_id WHERE ${where}
    ORDER BY ${orderColumn(sql, listing.orderBy)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, f.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`
    SELECT count(*)::int AS total FROM features f LEFT JOIN meters m ON m.id = f.meter_id WHERE ${where}`;
  return { features: rows.map(toFeature), total: count!.total };
}

function orderColumn(sql: Executor, orderBy: FeatureOrder) {
  switch (orderBy) {
    case 'id':
      return sql`f.id COLLATE "C"`;
    case 'key':
      return sql`f.key COLLATE "C"`;
    case 'name':
      return sql`f.name COLLATE "C"`;
    case 'createdAt':
      return sql`f.created_at`;
    case 'updatedAt':
      return sql`f.updated_at`;
    default:
      return orderBy satisfies never;
  }
}

interface FeatureRow {
  id: string;
  namespace: string;
  key: string;
  name: string;
  metadata: Record<string, string> | null;
  meter_id: string | null;
  meter_slug: string | null;
  group_by_filters: Record<string, string> | null;
  advanced_filters: Record<string, unknown> | null;
  unit_cost: Record<string, unknown> | null;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
}

function columns(sql: Executor) {
  return sql`f.id, f.namespace, f.key, f.name, f.metadata, f.meter_id, m.slug AS meter_slug, f.group_by_filters,
    f.advanced_filters, f.unit_cost, f.created_at, f.updated_at, f.archived_at`;
}

function toFeature(row: FeatureRow): Feature {
  return {
    id: row.id,
    namespace: row.namespace,
    key: row.key,
    name: row.name,
    metadata: row.metadata ?? undefined,
    meterId: row.meter_id ?? undefined,
    meterSlug: row.meter_slug ?? undefined,
    groupByFilters: row.group_by_filters ?? undefined,
    advancedFilters: row.advanced_filters ?? undefined,
    unitCost: row.unit_cost ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    archivedAt: row.archived_at ?? undefined,
  };
}
