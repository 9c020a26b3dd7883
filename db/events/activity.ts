import type { Executor } from '../connection/connect.ts';

/** What happened of late to the events of a namespace. Times in ms since 1970; steps in whole seconds. */
export interface Taken {
  namespace: string;
  startMs: number;
  accepted: number;
  rejected: number;
}

/** Adds counts, and deletes those of before `keptFromMs`. */
export async function addActivity(sql: Executor, rows: readonly Taken[], keptFromMs: number): Promise<void> {
  await sql`
    INSERT INTO activity (namespace, start, accepted, rejected)
    SELECT namespace, to_timestamp(start), accepted, rejected
    FROM unnest(${rows.map((row) => row.namespace)}::text[], ${rows.map((row) => row.startMs / 1_000)}::float8[],
                ${rows.map((row) => row.accepted)}::bigint[], ${rows.map((row) => row.rejected)}::bigint[])
           AS t (namespace, start, accepted, rejected)
    ORDER BY namespace, start
    ON CONFLICT (namespace, start) DO UPDATE
      SET accepted = activity.accepted + excluded.accepted, rejected = activity.rejected + excluded.rejected`;
  await sql`DELETE FROM activity WHERE start < to_timestamp(${keptFromMs / 1_000}::float8)`;
}

export interface ActivityStep {
  start_ms: number;
  accepted: number;
  rejected: number;
}

export async function takenBySteps(
  sql: Executor,
  namespace: string,
  fromMs: number,
  stepSeconds: number,
): Promise<ActivityStep[]> {
  return sql<ActivityStep[]>`
    SELECT floor(extract(epoch FROM start) / ${stepSeconds}::int)::float8 * ${stepSeconds}::int * 1000 AS start_ms,
           sum(accepted)::float8 AS accepted, sum(rejected)::float8 AS rejected
    FROM activity WHERE namespace = ${namespace} AND start >= to_timestamp(${fromMs / 1_000}::float8)
    GROUP BY 1 ORDER BY 1`;
}

export interface StoredStep {
  start_ms: number;
  type: string;
  events: number;
}

/** Events stored, by step of their arrival and by type. */
export async function storedBySteps(
  sql: Executor,
  namespace: string,
  fromMs: number,
  stepSeconds: number,
): Promise<StoredStep[]> {
  return sql<StoredStep[]>`
    SELECT floor(extract(epoch FROM last_arrived) / ${stepSeconds}::int)::float8 * ${stepSeconds}::int * 1000 AS start_ms,
           type, sum(events)::float8 AS events
    FROM batch_types WHERE namespace = ${namespace} AND last_arrived >= to_timestamp(${fromMs / 1_000}::float8)
    GROUP BY 1, 2 ORDER BY 1, 2`;
}

/** Events of all namespaces that were sent again and left out, by step of their arrival. */
export async function duplicatesBySteps(
  sql: Executor,
  fromMs: number,
  stepSeconds: number,
): Promise<{ start_ms: number; duplicates: number }[]> {
  return sql<{ start_ms: number; duplicates: number }[]>`
    SELECT floor(extract(epoch FROM arrived_to) / ${stepSeconds}::int)::float8 * ${stepSeconds}::int * 1000 AS start_ms,
           sum(duplicates)::float8 AS duplicates
    FROM batches WHERE arrived_to >= to_timestamp(${fromMs / 1_000}::float8) GROUP BY 1 ORDER BY 1`;
}

/** The subjects of the namespace's newest events: at most `eventsMax` of these, of at most `batchesMax` batches. */
export async function newestSubjects(
  sql: Executor,
  namespace: string,
  fromMs: number,
  { batchesMax, eventsMax, subjectsMax }: { batchesMax: number; eventsMax: number; subjectsMax: number },
): Promise<{ subject: string; events: number; of: number }[]> {
  const batches = await sql<{ id: bigint }[]>`
    SELECT DISTINCT batch_id AS id FROM (
      SELECT batch_id FROM batch_types
      WHERE namespace = ${namespace} AND last_arrived >= to_timestamp(${fromMs / 1_000}::float8)
      ORDER BY last_arrived DESC LIMIT ${batchesMax}) newest
    ORDER BY 1`;
  if (batches.length === 0) return [];
  const ids = batches.map(({ id }) => String(id));
  return sql<{ subject: string; events: number; of: number }[]>`
    SELECT subject, count(*)::float8 AS events, (sum(count(*)) OVER ())::float8 AS of
    FROM (SELECT subject FROM events
          WHERE batch_id BETWEEN ${ids[0]!} AND ${ids.at(-1)!} AND batch_id = ANY(${ids}::bigint[]) AND namespace = ${namespace}
          LIMIT ${eventsMax}) newest
    GROUP BY subject ORDER BY 2 DESC, 1 LIMIT ${subjectsMax}`;
}

/** Dead letters that were not driven again; counts no further than `countMax`. */
export async function openDeadLetters(
  sql: Executor,
  { namespace, withUnowned }: { namespace: string; withUnowned: boolean },
  countMax: number,
): Promise<number> {
  const unowned = withUnowned ? sql`OR namespace IS NULL` : sql``;
  const [row] = await sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM (
      SELECT FROM dead_letters WHERE redriven_at IS NULL AND (namespace = ${namespace} ${unowned}) LIMIT ${countMax}) found`;
  return row!.count;
}
