import type { Executor, Transaction } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';
import { type MeterRow, meterColumns, type StoredMeter, toMeter } from './meterRow.ts';
import type { Registry } from './registry.ts';

export type MeterOrder = 'key' | 'name' | 'aggregation' | 'createdAt' | 'updatedAt';

export interface MeterListing {
  page: number;
  pageSize: number;
  orderBy: MeterOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
}

type RegistryRow = Pick<Registry, 'version' | 'token'>;

export interface MetersState extends RegistryRow {
  meters: StoredMeter[];
}

/** Every meter that is not deleted, of all namespaces, with the registry's state: one statement, one snapshot. */
export async function loadMeters(sql: Executor): Promise<MetersState> {
  const rows = await sql<(RegistryRow & (MeterRow | { id: null }))[]>`
    SELECT r.version, r.token, ${meterColumns(sql)}
    FROM meter_registry r LEFT JOIN meters m ON m.deleted_at IS NULL
    ORDER BY m.namespace COLLATE "C", m.slug COLLATE "C"`;
  const meters = rows.filter((row): row is RegistryRow & MeterRow => row.id !== null);
  return { version: rows[0]!.version, token: rows[0]!.token, meters: meters.map(toMeter) };
}

/** Those of a namespace that take events of these types. */
export async function metersOfTypes(
  sql: Executor,
  namespace: string,
  types: readonly string[],
): Promise<StoredMeter[]> {
  const rows = await sql<MeterRow[]>`
    SELECT ${meterColumns(sql)} FROM meters m
    WHERE m.namespace = ${namespace} AND m.event_type = ANY(${[...types]}::text[]) AND m.deleted_at IS NULL
    ORDER BY m.slug COLLATE "C"`;
  return rows.map(toMeter);
}

/** By id, deleted or not, or by the slug of one that is not deleted. */
export async function getMeter(
  sql: Executor,
  namespace: string,
  idOrSlug: string,
): Promise<StoredMeter | undefined> {
  const [row] = await sql<MeterRow[]>`
    SELECT ${meterColumns(sql)} FROM meters m WHERE ${isMeter(sql, namespace, idOrSlug)}`;
  return row && toMeter(row);
}

/** A meter as queries find it. */
export interface MeterToRead {
  meter: StoredMeter;
  /** Midnight UTC before which its day rows say what its hour rows say; undefined while no day is closed. */
  daysClosedBeforeUs: number | undefined;
  /** What the ids of its deltas belong to. */
  incarnation: Incarnation;
  /** Deltas that no aggregator has merged yet, oldest first. */
  waiting: bigint[];
  /** Starts of the minutes whose rollups and deltas say what was before corrections, in µs since 1970, ascending. */
  staleMinutes: number[];
}

/** As getMeter, with the state of its rollups in the same trip to the server. */
export async function getMeterToRead(
  tx: Transaction,
  namespace: string,
  idOrSlug: string,
): Promise<MeterToRead | undefined> {
  const [row] = await tx<(MeterRow & ReadState)[]>`
    SELECT ${meterColumns(tx)}, ${incarnation(tx)} AS incarnation,
      (SELECT (extract(epoch FROM c.before) * 1000000)::float8 FROM rollup_days_closed c WHERE c.build = m.build) AS closed_us,
      ARRAY(SELECT d.id FROM deltas d WHERE d.build = m.build ORDER BY d.id) AS waiting,
      ARRAY(SELECT (extract(epoch FROM s.start) * 1000000)::float8 FROM stale_minutes s WHERE s.generation = m.build ORDER BY s.start) AS stale
    FROM meters m WHERE ${isMeter(tx, namespace, idOrSlug)}`;
  if (!row) return undefined;
  const { closed_us: closedUs, incarnation: ofDeltas, waiting, stale: staleMinutes } = row;
  const daysClosedBeforeUs = closedUs ?? undefined;
  return { meter: toMeter(row), daysClosedBeforeUs, incarnation: ofDeltas, waiting, staleMinutes };
}

interface ReadState {
  closed_us: number | null;
  incarnation: Incarnation;
  waiting: bigint[];
  stale: number[];
}

/** The meter whose rollups the generation makes; undefined where it was deleted or has a newer generation. */
export async function getMeterOfGeneration(
  sql: Executor,
  generation: bigint,
): Promise<StoredMeter | undefined> {
  const [row] = await sql<MeterRow[]>`
    SELECT ${meterColumns(sql)} FROM meters m WHERE m.build = ${generation} AND m.deleted_at IS NULL`;
  return row && toMeter(row);
}

export const metersPerNamespaceMax = 1_000;

/** All of a namespace that are not deleted, by slug. */
export function listAllMeters(sql: Executor, namespace: string): Promise<StoredMeter[]> {
  return listMeters(sql, namespace, allByKey);
}

export const allByKey: MeterListing = {
  page: 1,
  pageSize: metersPerNamespaceMax,
  orderBy: 'key',
  order: 'ASC',
  includeDeleted: false,
};

/** One page, ordered by the field and then by id. */
export async function listMeters(
  sql: Executor,
  namespace: string,
  listing: MeterListing,
): Promise<StoredMeter[]> {
  const rows = await sql<MeterRow[]>`
    SELECT ${meterColumns(sql)} FROM meters m
    WHERE m.namespace = ${namespace} ${listing.includeDeleted ? sql`` : sql`AND m.deleted_at IS NULL`}
    ORDER BY ${orderColumn(sql, listing.orderBy)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, m.id
    LIMIT ${listing.pageSize} OFFSET ${(listing.page - 1) * listing.pageSize}`;
  return rows.map(toMeter);
}

function isMeter(sql: Executor, namespace: string, idOrSlug: string) {
  return sql`m.namespace = ${namespace} AND (m.id = ${idOrSlug} OR (m.slug = ${idOrSlug} AND m.deleted_at IS NULL))`;
}

function orderColumn(sql: Executor, orderBy: MeterOrder) {
  switch (orderBy) {
    case 'key':
      return sql`m.slug COLLATE "C"`;
    case 'name':
      return sql`m.name COLLATE "C"`;
    case 'aggregation':
      return sql`m.aggregation COLLATE "C"`;
    case 'createdAt':
      return sql`m.created_at`;
    case 'updatedAt':
      return sql`m.updated_at`;
    default:
      return orderBy satisfies never;
  }
}
