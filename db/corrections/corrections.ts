import type { Executor, Transaction } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import { batchesOfTenant, eventsOfBatches } from '../events/tenantBatches.ts';

/** An event as it came, with the correction that is in force. Times in µs since 1970. */
export interface CorrectableEvent {
  source: string;
  id: string;
  type: string;
  subject: string;
  time_us: number;
  arrived_us: number;
  batch_id: bigint;
  /** It was sent under a backfill. */
  is_of_backfill: boolean;
  /** JSON text. */
  attributes: string | null;
  data: string | null;
  correction_id: bigint | null;
  correction_kind: 'void' | 'amend' | null;
  /** As the amendment has it; null without one. */
  amended_time_us: number | null;
  amended_subject: string | null;
  amended_data: string | null;
}

export interface CorrectableFilter {
  source?: string | undefined;
  id?: string | undefined;
  type?: string | undefined;
  subject?: string | undefined;
  fromUs?: number | undefined;
  toUs?: number | undefined;
}

/** Corrections of a namespace one after the other: two of one event at once would both find none in force. */
export async function lockCorrections(tx: Transaction, namespace: string): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(hashtext('usage.corrections'), hashtext(${namespace}))`;
}

/** Beyond so many batches, those between the first and the last are read in one go. */
const sparseBatchesMax = 500;

/**
 * The events as they came, but for those of backfills that don't count; at most eventsMax, in no order. Only batches are read that
 * may hold some: the more so the narrower type and time are.
 */
export async function findCorrectable(
  tx: Executor,
  namespace: string,
  filter: CorrectableFilter,
  eventsMax: number,
): Promise<CorrectableEvent[]> {
  const { source, id, type, subject, fromUs, toUs } = filter;
  const batches = await batchesOfTenant(tx, namespace, filter);
  if (!batches) return [];
  const { days } = batches;
  const condition = tx`e.namespace = ${namespace} ${days ? tx`AND e.period BETWEEN ${days.from}::text::date AND ${days.to}::text::date` : tx``}
    ${source === undefined ? tx`` : tx`AND e.source = ${source}`}
    ${id === undefined ? tx`` : tx`AND e.id = ${id}`}
    ${type === undefined ? tx`` : tx`AND e.type = ${type}`}
    ${subject === undefined ? tx`` : tx`AND e.subject = ${subject}`}
    ${fromUs === undefined ? tx`` : tx`AND e.time >= ${timeOf(tx, fromUs)}`}
    ${toUs === undefined ? tx`` : tx`AND e.time < ${timeOf(tx, toUs)}`}`;
  return tx<CorrectableEvent[]>`
    SELECT e.source, e.id, e.type, e.subject, (extract(epoch FROM e.time) * 1000000)::float8 AS time_us,
           (extract(epoch FROM e.ingested_at) * 1000000)::float8 AS arrived_us, e.batch_id,
           EXISTS (SELECT FROM backfill_batches o WHERE o.batch_id = e.batch_id) AS is_of_backfill,
           e.attributes::text AS attributes, e.data::text AS data, c.id AS correction_id, c.kind AS correction_kind,
           (extract(epoch FROM c.time) * 1000000)::float8 AS amended_time_us, c.subject AS amended_subject,
           c.data::text AS amended_data
    FROM ${eventsOfBatches(tx, batches.ids, condition, sparseBatchesMax)} e
    LEFT JOIN corrections c ON c.undone_at IS NULL AND c.namespace = e.namespace AND c.source = e.source AND c.event_id = e.id
      AND c.batch_id = e.batch_id
    LIMIT ${eventsMax}`;
}

export interface NewCorrection {
  kind: 'void' | 'amend';
  reason: string;
  actor: string;
  event: CorrectableEvent;
  /** The event as it counts from now on; undefined where it counts no more. */
  amended: { timeUs: number; subject: string; attributes: string | null; data: string | null } | undefined;
}

/** Puts corrections in force, in the place of those that were; returns their ids. */
export async function insertCorrections(
  tx: Transaction,
  namespace: string,
  corrections: readonly NewCorrection[],
): Promise<bigint[]> {
  const replaced = corrections.flatMap(({ event }) => event.correction_id ?? []);
  const [first] = corrections;
  if (first && replaced.length > 0) await undoCorrections(tx, namespace, replaced, first.actor);
  const rows = corrections.map(({ kind, reason, actor, event, amended }) => ({
    ...{ kind, reason, actor, source: event.source, event_id: event.id, type: event.type },
    ...{ arrived_us: event.arrived_us, batch_id: String(event.batch_id), old_time_us: event.time_us },
    old_subject: event.subject,
    time_us: amended?.timeUs ?? null,
    subject: amended?.subject ?? null,
    attributes: amended?.attributes ?? null,
    data: amended?.data ?? null,
  }));
  const ids = await tx<{ id: bigint }[]>`
    INSERT INTO corrections (namespace, source, event_id, kind, reason, actor, type, ingested_at, batch_id, old_time, old_subject,
                             time, subject, attributes, data)
    SELECT ${namespace}, source, event_id, kind, reason, actor, type, epoch + arrived_us * us, batch_id, epoch + old_time_us * us,
           old_subject, epoch + time_us * us, subject, attributes::json, data::json
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) AS c (source text, event_id text, kind text, reason text,
           actor text, type text, arrived_us float8, batch_id bigint, old_time_us float8, old_subject text, time_us float8, subject text,
           attributes text, data text),
         (SELECT timestamptz 'epoch' AS epoch, INTERVAL '1 microsecond' AS us) unit
    RETURNING id`;
  return ids.map(({ id }) => id);
}

/** So many new corrections, and the planner takes their table for nearly empty until the next ANALYZE. */
const analyzeMin = 1_000;

/**
 * Tells the planner of this transaction's new corrections: without, it compares every event with every correction, and queries
 * of these minutes time out until autovacuum comes by.
 */
export async function analyzeCorrections(tx: Transaction, written: number): Promise<void> {
  if (written >= analyzeMin) await tx`ANALYZE corrections`;
}

/** A correction as it is kept. */
export interface StoredCorrection {
  id: bigint;
  kind: 'void' | 'amend';
  reason: string;
  actor: string;
  source: string;
  event_id: string;
  type: string;
  old_time_us: number;
  time_us: number | null;
  subject: string | null;
  data: string | null;
  corrected_at: Date;
  undone_at: Date | null;
  undone_by: string | null;
}

function storedColumns(sql: Executor) {
  return sql`id, kind, reason, actor, source, event_id, type, (extract(epoch FROM old_time) * 1000000)::float8 AS old_time_us,
    (extract(epoch FROM time) * 1000000)::float8 AS time_us, subject, data::text AS data, corrected_at, undone_at, undone_by`;
}

/** Takes corrections out of force; returns those that were in force. */
export async function undoCorrections(
  tx: Transaction,
  namespace: string,
  ids: readonly bigint[],
  actor: string,
): Promise<StoredCorrection[]> {
  return tx<StoredCorrection[]>`
    UPDATE corrections SET undone_at = now(), undone_by = ${actor}
    WHERE namespace = ${namespace} AND id = ANY(${ids.map(String)}::bigint[]) AND undone_at IS NULL
    RETURNING ${storedColumns(tx)}`;
}

export async function getCorrection(
  sql: Executor,
  namespace: string,
  id: bigint,
): Promise<StoredCorrection | undefined> {
  const [row] = await sql<StoredCorrection[]>`
    SELECT ${storedColumns(sql)} FROM corrections WHERE namespace = ${namespace} AND id = ${id}`;
  return row;
}

export interface CorrectionListing {
  beforeId: bigint | undefined;
  /** Made or undone from then on. */
  since: string | undefined;
  source: string | undefined;
  eventId: string | undefined;
  limit: number;
}

/** Newest first. */
export async function listCorrections(
  sql: Executor,
  namespace: string,
  { beforeId, since, source, eventId, limit }: CorrectionListing,
): Promise<StoredCorrection[]> {
  return sql<StoredCorrection[]>`
    SELECT ${storedColumns(sql)} FROM corrections
    WHERE namespace = ${namespace}
      ${beforeId === undefined ? sql`` : sql`AND id < ${beforeId}`}
      ${since === undefined ? sql`` : sql`AND greatest(corrected_at, undone_at) >= ${since}::text::timestamptz`}
      ${source === undefined ? sql`` : sql`AND source = ${source}`}
      ${eventId === undefined ? sql`` : sql`AND event_id = ${eventId}`}
    ORDER BY id DESC LIMIT ${limit}`;
}
