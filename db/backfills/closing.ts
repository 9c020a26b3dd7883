import type { Executor, Transaction } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import { eventsOfBatches } from '../events/tenantBatches.ts';
import type { Replaces } from './backfills.ts';
import { countedBatch } from './counted.ts';

/** Each statement answers within seconds on a busy machine, so that the connection is not taken for dead. */
const eventsAStatement = 40_000;

/** Beyond so many batches, those between the first and the last are read in one go. */
const sparseBatchesMax = 500;

const noKey = '00000000-0000-0000-0000-000000000000';

/** Who closes which backfill, and the reason that its corrections get. */
export interface Replacing {
  backfill: bigint;
  namespace: string;
  actor: string;
  reason: string;
}

/**
 * Voids the events that count now and lie in the range, but for the backfill's own. Returns how many; a few more than
 * `eventsMax` where that is not all of them.
 * Amendments count where they were amended to, and are undone: the void remembers them.
 */
export async function voidReplaced(
  tx: Transaction,
  by: Replacing,
  range: Replaces,
  eventsMax: number,
): Promise<number> {
  const { backfill, namespace, actor, reason } = by;
  const within = tx`x.time >= ${timeOf(tx, range.fromUs)} AND x.time < ${timeOf(tx, range.toUs)}
    ${range.subjects ? tx`AND x.subject = ANY(${range.subjects}::text[])` : tx``}`;
  await joins(tx, 'by hash');
  const amended = await tx<{ id: bigint }[]>`
    UPDATE corrections x SET undone_at = now(), undone_by = ${actor}
    WHERE x.namespace = ${namespace} AND x.type = ANY(${range.types}::text[]) AND x.kind = 'amend' AND x.undone_at IS NULL
      AND ${within} AND ${countedBatch(tx, tx`x.batch_id`)}
    RETURNING x.id`;
  const { count: ofAmended } = await tx`
    INSERT INTO corrections (namespace, source, event_id, kind, reason, actor, type, ingested_at, batch_id, old_time, old_subject, backfill, replaced)
    SELECT namespace, source, event_id, 'void', ${reason}, ${actor}, type, ingested_at, batch_id, old_time, old_subject, ${backfill}, id
    FROM corrections WHERE id = ANY(${amended.map(({ id }) => String(id))}::bigint[])`;
  const batches = await tx<{ id: bigint; events: number }[]>`
    SELECT t.batch_id AS id, sum(t.events)::float8 AS events FROM batch_types t
    WHERE t.namespace = ${namespace} AND t.type = ANY(${range.types}::text[])
      AND t.last_time >= ${timeOf(tx, range.fromUs)} AND t.first_time < ${timeOf(tx, range.toUs)}
      AND ${countedBatch(tx, tx`t.batch_id`)}
    GROUP BY t.batch_id
    UNION ALL SELECT id, events::float8 FROM batches WHERE NOT described
    ORDER BY id`;
  const ofType = tx`e.namespace = ${namespace} AND e.type = ANY(${range.types}::text[])`;
  let voided = ofAmended;
  for (const ids of inPieces(batches)) {
    const { count } = await tx`
      INSERT INTO corrections (namespace, source, event_id, kind, reason, actor, type, ingested_at, batch_id, old_time, old_subject, backfill)
      SELECT x.namespace, x.source, x.id, 'void', ${reason}, ${actor}, x.type, x.ingested_at, x.batch_id, x.time, x.subject, ${backfill}
      FROM ${eventsOfBatches(tx, ids, ofType, sparseBatchesMax)} x
      WHERE ${within} AND NOT EXISTS (
        SELECT FROM corrections c WHERE c.undone_at IS NULL AND c.namespace = x.namespace AND c.source = x.source
          AND c.event_id = x.id AND c.batch_id = x.batch_id)`;
    voided += count;
    if (voided > eventsMax) break;
  }
  return voided;
}

/** Ids of batches, those of each piece hold some `eventsAStatement` events. */
function* inPieces(batches: readonly { id: bigint; events: number }[]): Generator<bigint[]> {
  let ids: bigint[] = [];
  let held = 0;
  for (const { id, events } of batches) {
    ids.push(id);
    held += events;
    if (held < eventsAStatement) continue;
    yield ids;
    ids = [];
    held = 0;
  }
  if (ids.length > 0) yield ids;
}

/**
 * Puts the keys of the backfill's identities into the open identity table, but for those that are there, or in one of the
 * closed ones: these aren't its own (backfill_keys.is_own).
 */
export async function takeIdentities(
  tx: Transaction,
  backfill: bigint,
  open: number,
  closed: readonly number[],
): Promise<void> {
  await joins(tx, 'one by one');
  for (const number of closed)
    await tx`
      UPDATE backfill_keys k SET is_own = false
      WHERE k.backfill = ${backfill} AND EXISTS (SELECT FROM ${tx(`identities_${number}`)} i WHERE i.key = k.key)`;
  await joins(tx, 'by hash');
  for (let last: string | undefined = noKey; last; ) {
    const [row]: { last: string }[] = await tx<{ last: string }[]>`
      WITH part AS MATERIALIZED (
        SELECT key FROM backfill_keys WHERE backfill = ${backfill} AND is_own AND key > ${last} ORDER BY key LIMIT ${eventsAStatement}),
      added AS (
        INSERT INTO ${tx(`identities_${open}`)} (key) SELECT key FROM part ORDER BY key ON CONFLICT DO NOTHING RETURNING key),
      known AS (
        UPDATE backfill_keys k SET is_own = false FROM part p
        WHERE k.backfill = ${backfill} AND k.key = p.key AND NOT EXISTS (SELECT FROM added a WHERE a.key = p.key))
      SELECT key AS last FROM part ORDER BY key DESC LIMIT 1`;
    last = row?.last;
  }
}

/**
 * How the transaction's next statements join. The planner knows nothing of rows that this transaction wrote, expects few, and
 * would compare each with each: by hash then. Keys are looked up in an identity table one by one: it may hold very many others.
 */
async function joins(tx: Transaction, how: 'by hash' | 'one by one'): Promise<void> {
  const loops = how === 'by hash' ? 'off' : 'on';
  await tx`SELECT set_config('enable_nestloop', ${loops}, true), set_config('work_mem', '64MB', true)`;
}

/** Gives back the keys that the closing put into an identity table, if that is still there. */
export async function giveIdentities(tx: Transaction, backfill: bigint, table: number): Promise<void> {
  const [found] = await tx`SELECT FROM identity_tables WHERE number = ${table}`;
  if (!found) return;
  await tx`
    DELETE FROM ${tx(`identities_${table}`)} i USING backfill_keys k
    WHERE k.backfill = ${backfill} AND k.is_own AND i.key = k.key`;
}

/**
 * Voids the backfill's events whose identity is stored outside as well, unless it is the backfill that replaces the one
 * outside. Returns how many.
 */
export async function voidDuplicates(tx: Transaction, by: Replacing): Promise<number> {
  const { backfill, namespace, actor, reason } = by;
  let voided = 0;
  for (const ids of inPieces(await backfillBatches(tx, backfill))) {
    const { count } = await tx`
      WITH wanted AS MATERIALIZED (
        SELECT source, event_id FROM backfill_keys WHERE backfill = ${backfill} AND NOT is_own
        EXCEPT SELECT source, event_id FROM corrections WHERE backfill = ${backfill} AND undone_at IS NULL)
      INSERT INTO corrections (namespace, source, event_id, kind, reason, actor, type, ingested_at, batch_id, old_time, old_subject, backfill)
      SELECT e.namespace, e.source, e.id, 'void', ${reason}, ${actor}, e.type, e.ingested_at, e.batch_id, e.time, e.subject, ${backfill}
      FROM ${eventsOfBatches(tx, ids, tx`e.namespace = ${namespace}`, sparseBatchesMax)} e
      JOIN wanted w ON w.source = e.source AND w.event_id = e.id`;
    voided += count;
  }
  return voided;
}

async function backfillBatches(sql: Executor, backfill: bigint): Promise<{ id: bigint; events: number }[]> {
  return sql<{ id: bigint; events: number }[]>`
    SELECT batch_id AS id, events FROM backfill_batches WHERE backfill = ${backfill} ORDER BY batch_id`;
}

/** The minutes of a type in which something changes, in µs since 1970. */
export interface ChangedMinutes {
  type: string;
  minutesUs: number[];
}

/** The minutes of a backfill's events, as they came and as they were amended since, and of the corrections that its closing made. */
export async function minutesOfBackfill(
  tx: Transaction,
  namespace: string,
  backfill: bigint,
): Promise<ChangedMinutes[]> {
  const ids = (await backfillBatches(tx, backfill)).map(({ id }) => id);
  const stored =
    ids.length === 0
      ? tx`(SELECT * FROM events WHERE false)`
      : eventsOfBatches(tx, ids, tx`e.namespace = ${namespace}`, sparseBatchesMax);
  const rows = await tx<{ type: string; minutes: number[] }[]>`
    SELECT type, array_agg((extract(epoch FROM minute) * 1000000)::float8) AS minutes FROM (
      SELECT type, date_trunc('minute', time, 'UTC') AS minute FROM ${stored} e
      UNION
      SELECT type, date_trunc('minute', old_time, 'UTC') FROM corrections WHERE backfill = ${backfill} AND undone_at IS NULL
      UNION
      SELECT a.type, date_trunc('minute', a.time, 'UTC')
      FROM corrections c JOIN corrections a ON a.id = c.replaced WHERE c.backfill = ${backfill} AND c.undone_at IS NULL
      UNION
      SELECT c.type, date_trunc('minute', c.time, 'UTC') FROM corrections c
      WHERE c.namespace = ${namespace} AND c.kind = 'amend' AND c.undone_at IS NULL AND c.batch_id = ANY(${ids.map(String)}::bigint[])) m
    GROUP BY type ORDER BY type`;
  return rows.map(({ type, minutes }) => ({ type, minutesUs: minutes }));
}

/** Thresholds of the subjects of its events are looked at again, where the namespace has rules. */
export async function noteSubjects(tx: Transaction, namespace: string, backfill: bigint): Promise<void> {
  const ids = (await backfillBatches(tx, backfill)).map(({ id }) => id);
  if (ids.length === 0) return;
  await tx`
    INSERT INTO corrected_subjects (namespace, type, subject)
    SELECT DISTINCT e.namespace, e.type, e.subject
    FROM ${eventsOfBatches(tx, ids, tx`e.namespace = ${namespace}`, sparseBatchesMax)} e
    WHERE EXISTS (SELECT FROM notification_rules r WHERE r.namespace = ${namespace} AND r.deleted_at IS NULL AND NOT r.disabled)`;
}

/**
 * Takes back the corrections that a closing made and that are in force still; amendments that they replaced are in force
 * again, as new corrections.
 */
export async function undoClosing(tx: Transaction, by: Replacing): Promise<void> {
  const undone = await tx<{ replaced: bigint }[]>`
    WITH undone AS (
      UPDATE corrections SET undone_at = now(), undone_by = ${by.actor}
      WHERE backfill = ${by.backfill} AND undone_at IS NULL RETURNING replaced)
    SELECT replaced FROM undone WHERE replaced IS NOT NULL`;
  if (undone.length === 0) return;
  await tx`
    INSERT INTO corrections (namespace, source, event_id, kind, reason, actor, type, ingested_at, batch_id, old_time, old_subject,
                             time, subject, attributes, data)
    SELECT namespace, source, event_id, kind, reason, ${by.actor}, type, ingested_at, batch_id, old_time, old_subject, time,
           subject, attributes, data
    FROM corrections WHERE id = ANY(${undone.map(({ replaced }) => String(replaced))}::bigint[])`;
}
