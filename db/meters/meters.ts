import type { MeterDefinition } from '@usage/lib/meter/definition.ts';
import { ulid } from 'ulid';
import type { Executor, Sql, Transaction } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';
import { type MeterRow, meterColumns, type StoredMeter, toMeter } from './meterRow.ts';
import { bumpRegistryVersion, type Registry } from './registry.ts';
import { changeMeters } from './registryLock.ts';

/** What can change of a meter; a field that is undefined stays as it is, null clears it. */
export interface MeterChanges {
  name?: string | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | null | undefined;
  groupBy?: Record<string, string> | undefined;
}

export const metersPerNamespaceMax = 1_000;

export type MeterOrder = 'key' | 'name' | 'aggregation' | 'createdAt' | 'updatedAt';

export interface MeterListing {
  page: number;
  pageSize: number;
  orderBy: MeterOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
}

/**
 * Creates a meter under a new registry version. Where batches are stored already, its rollups wait for the backfill.
 * Refuses a slug that a meter of the namespace has, and more than `metersPerNamespaceMax` of them; the version stays
 * then. Throws MeterRegistryBusy.
 */
export async function createMeter(
  sql: Sql,
  namespace: string,
  meter: MeterDefinition,
): Promise<{ meter: StoredMeter } | { refused: 'slug' | 'limit' }> {
  return await changeMeters(sql, async (tx) => {
    if ((await countMeters(tx, namespace)) >= metersPerNamespaceMax) return { refused: 'limit' };
    const created = await insertMeter(tx, namespace, meter);
    if (!created) return { refused: 'slug' };
    await bumpRegistryVersion(tx);
    return { meter: created };
  });
}

/**
 * Changes a meter that is not deleted; undefined where there is none. A `groupBy` that differs starts a new generation
 * under a new registry version; everything else leaves both as they are. Throws MeterRegistryBusy.
 */
export async function updateMeter(
  sql: Sql,
  namespace: string,
  id: string,
  changes: MeterChanges,
): Promise<StoredMeter | undefined> {
  return await changeMeters(sql, async (tx) => {
    const before = await getMeter(tx, namespace, id);
    if (!before || before.deletedAt) return undefined;
    if (changes.groupBy && !sameGroupBy(before.groupBy, changes.groupBy)) {
      await startMeterGeneration(tx, id, changes.groupBy);
      await bumpRegistryVersion(tx);
    }
    return await updateMeterTexts(tx, id, changes);
  });
}

/**
 * Deletes a meter softly, under a new registry version. False where it is deleted already or was never there.
 * Throws MeterRegistryBusy.
 */
export async function deleteMeter(sql: Sql, namespace: string, id: string): Promise<boolean> {
  return await changeMeters(sql, async (tx) => {
    const deleted = await markMeterDeleted(tx, namespace, id);
    if (deleted) await bumpRegistryVersion(tx);
    return deleted;
  });
}

/** Key order says nothing. */
export function sameGroupBy(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
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

async function countMeters(tx: Transaction, namespace: string): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    SELECT count(*)::integer AS count FROM meters WHERE namespace = ${namespace} AND deleted_at IS NULL`;
  return row!.count;
}

/** Undefined where the slug is taken. */
async function insertMeter(
  tx: Transaction,
  namespace: string,
  meter: MeterDefinition,
): Promise<StoredMeter | undefined> {
  const [row] = await tx<MeterRow[]>`
    INSERT INTO meters AS m (id, namespace, slug, name, description, event_type, event_from, aggregation,
                             value_property, value_expression, filters, group_by, metadata, build_version,
                             backfilled_at)
    SELECT ${ulid()}, ${namespace}, ${meter.slug}, ${meter.name}, ${meter.description ?? null}, ${meter.eventType},
           timestamptz 'epoch' + ${meter.eventFromUs ?? null}::bigint * interval '1 microsecond', ${meter.aggregation},
           ${meter.valueProperty ?? null}, ${meter.valueExpression ?? null},
           ${meter.filters ? JSON.stringify(meter.filters) : null}::text::jsonb, ${tx.json(meter.groupBy)},
           ${meter.metadata ? tx.json(meter.metadata) : null}::jsonb, r.version + 1, ${nothingToBackfill(tx)}
    FROM meter_registry r
    ON CONFLICT (namespace, slug) WHERE deleted_at IS NULL DO NOTHING
    RETURNING ${meterColumns(tx)}`;
  return row && toMeter(row);
}

/** New rollups for a meter whose grouping changes. */
async function startMeterGeneration(
  tx: Transaction,
  id: string,
  groupBy: Record<string, string>,
): Promise<void> {
  await tx`
    UPDATE meters SET group_by = ${tx.json(groupBy)}, build = nextval('meter_builds'),
           build_version = (SELECT version + 1 FROM meter_registry),
           backfill_after = -1, backfilled_at = ${nothingToBackfill(tx)}
    WHERE id = ${id}`;
}

async function updateMeterTexts(tx: Transaction, id: string, changes: MeterChanges): Promise<StoredMeter> {
  const { name, description, metadata } = changes;
  const [row] = await tx<MeterRow[]>`
    UPDATE meters AS m SET updated_at = now()
      ${name === undefined ? tx`` : tx`, name = ${name}`}
      ${description === undefined ? tx`` : tx`, description = ${description}`}
      ${metadata === undefined ? tx`` : tx`, metadata = ${metadata ? tx.json(metadata) : null}::jsonb`}
    WHERE id = ${id}
    RETURNING ${meterColumns(tx)}`;
  return toMeter(row!);
}

async function markMeterDeleted(tx: Transaction, namespace: string, id: string): Promise<boolean> {
  const { count } = await tx`
    UPDATE meters SET deleted_at = now(), updated_at = now()
    WHERE namespace = ${namespace} AND id = ${id} AND deleted_at IS NULL`;
  return count > 0;
}

/** Under the exclusive lock every stored batch is older than the version to come: any batch means a backfill. */
function nothingToBackfill(tx: Transaction) {
  return tx`CASE WHEN NOT EXISTS (SELECT FROM batches) THEN now() END`;
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
