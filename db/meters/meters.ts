import type { MeterDefinition } from '@usage/lib/meter/definition.ts';
import { ulid } from 'ulid';
import type { Sql, Transaction } from '../connection/connect.ts';
import { getMeter, metersPerNamespaceMax } from './findMeters.ts';
import { type MeterRow, meterColumns, type StoredMeter, toMeter } from './meterRow.ts';
import { bumpRegistryVersion } from './registry.ts';
import { changeMeters } from './registryLock.ts';

/** What can change of a meter; a field that is undefined stays as it is, null clears it. */
export interface MeterChanges {
  name?: string | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | null | undefined;
  groupBy?: Record<string, string> | undefined;
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
                             value_property, value_expression, time_unit, filters, group_by, metadata, build_version,
                             backfilled_at)
    SELECT ${ulid()}, ${namespace}, ${meter.slug}, ${meter.name}, ${meter.description ?? null}, ${meter.eventType},
           timestamptz 'epoch' + ${meter.eventFromUs ?? null}::bigint * interval '1 microsecond', ${meter.aggregation},
           ${meter.valueProperty ?? null}, ${meter.valueExpression ?? null}, ${meter.timeUnit ?? null},
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
