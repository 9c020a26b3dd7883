import type { Aggregation, Meter, TimeUnit } from '@usage/lib/meter/meter.ts';
import type { Executor } from '../connection/connect.ts';

/** A meter with what is stored beside its definition. */
export interface StoredMeter extends Meter {
  /** ULID. */
  id: string;
  name: string;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  /** Events before it don't count; µs since 1970. */
  eventFromUs: number | undefined;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | undefined;
  /** Batches with a lower meters_version came without deltas for this generation. */
  generationVersion: bigint;
  /** The backfill has read the batches up to this id; -1 before the first. */
  backfillAfter: bigint;
  /** Undefined while the backfill runs: queries read raw events until then. */
  backfilledAt: Date | undefined;
}

/** What meterColumns selects. */
export interface MeterRow {
  id: string;
  namespace: string;
  slug: string;
  name: string;
  description: string | null;
  event_type: string;
  event_from_us: bigint | null;
  aggregation: Aggregation;
  value_property: string | null;
  value_expression: string | null;
  time_unit: TimeUnit | null;
  filters: Record<string, unknown> | null;
  group_by: Record<string, string>;
  metadata: Record<string, string> | null;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
  generation: bigint;
  generation_version: bigint;
  backfill_after: bigint;
  backfilled_at: Date | null;
}

/** Of the table meters, called m. */
export function meterColumns(sql: Executor) {
  return sql`m.id, m.namespace, m.slug, m.name, m.description, m.event_type,
    (extract(epoch FROM m.event_from) * 1000000)::bigint AS event_from_us, m.aggregation, m.value_property, m.value_expression, m.time_unit, m.filters, m.group_by,
    m.metadata, m.created_at, m.updated_at, m.deleted_at, m.build AS generation, m.build_version AS generation_version, m.backfill_after, m.backfilled_at`;
}

export function toMeter(row: MeterRow): StoredMeter {
  return {
    id: row.id,
    namespace: row.namespace,
    slug: row.slug,
    name: row.name,
    description: row.description ?? undefined,
    metadata: row.metadata ?? undefined,
    eventType: row.event_type,
    eventFromUs: row.event_from_us === null ? undefined : Number(row.event_from_us),
    aggregation: row.aggregation,
    valueProperty: row.value_property ?? undefined,
    valueExpression: row.value_expression ?? undefined,
    timeUnit: row.time_unit ?? undefined,
    filters: row.filters ?? undefined,
    groupBy: row.group_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at ?? undefined,
    generation: row.generation,
    generationVersion: row.generation_version,
    backfillAfter: row.backfill_after,
    backfilledAt: row.backfilled_at ?? undefined,
  };
}
