import type { Executor, Sql, Transaction } from '../connection/connect.ts';

export interface ExportRun {
  run: number;
  /** Ids of its batches, ascending. */
  batches: bigint[];
  /** Events that its batches stored. */
  events: number;
}

/** A batch commits within this time of its beginning, which is its stored_at: older ones can't appear any more. */
const commitDaysMax = 1;
const batchesMax = 20_000;

/** The run that was planned and isn't done; undefined where there is none. */
export async function openRun(sql: Executor, target: string): Promise<ExportRun | undefined> {
  const [row] = await sql<{ run: number; batches: bigint[]; events: number }[]>`
    SELECT r.run::float8 AS run, array_agg(b.id ORDER BY b.id) AS batches, sum(b.events)::float8 AS events
    FROM export_runs r JOIN batches b ON r.batches @> b.id
    WHERE r.target = ${target} AND r.done_at IS NULL
    GROUP BY r.run ORDER BY r.run LIMIT 1`;
  return row;
}

/**
 * Plans a run of committed batches that are in no run yet, at most `eventsMax` events, but one batch at least; undefined
 * where there are none. Batches commit in another order than that of their ids and times: what is in no run decides.
 */
export async function planRun(
  tx: Transaction,
  target: string,
  eventsMax: number,
): Promise<ExportRun | undefined> {
  const rows = await tx<{ id: bigint; events: number }[]>`
    SELECT b.id, b.events FROM batches b, export_targets t
    WHERE t.target = ${target} AND b.events > 0 AND NOT t.batches @> b.id AND b.stored_at >= t.complete_to
    ORDER BY b.id LIMIT ${batchesMax}`;
  let events = 0;
  const taken = rows.filter((row) => {
    const fits = events === 0 || events + row.events <= eventsMax;
    events = fits ? events + row.events : eventsMax;
    return fits;
  });
  if (taken.length === rows.length && rows.length < batchesMax) await markComplete(tx, target);
  if (taken.length === 0) return undefined;
  const ids = taken.map(({ id }) => id);
  const [planned] = await tx<{ run: number }[]>`
    WITH ids AS (SELECT range_agg(int8range(id, id + 1)) AS batches FROM unnest(${ids.map(String)}::bigint[]) id),
    counted AS (
      UPDATE export_targets t SET runs = runs + 1, batches = t.batches + ids.batches FROM ids
      WHERE target = ${target} RETURNING runs)
    INSERT INTO export_runs (target, run, batches)
    SELECT ${target}, counted.runs, ids.batches FROM counted, ids RETURNING run::float8 AS run`;
  return { run: planned!.run, batches: ids, events: taken.reduce((sum, row) => sum + row.events, 0) };
}

/** What is stored from now on has a later stored_at, or one that lies at most commitDaysMax back. */
async function markComplete(tx: Transaction, target: string): Promise<void> {
  await tx`
    UPDATE export_targets SET complete_to = now() - make_interval(days => ${commitDaysMax}) WHERE target = ${target}`;
}

/** The run's files and its manifest are written. `days`: UTC days of its events, whose usage is to be read anew. */
export async function finishRun(tx: Transaction, target: string, run: number, days: string[]): Promise<void> {
  await tx`UPDATE export_runs SET done_at = now() WHERE target = ${target} AND run = ${run}`;
  await tx`
    INSERT INTO export_days (target, day) SELECT ${target}, day::date FROM unnest(${days}::text[]) day
    ON CONFLICT (target, day) DO UPDATE SET is_stale = true`;
}

export interface ExportedEvent {
  namespace: string;
  id: string;
  source: string;
  type: string;
  subject: string;
  /** µs since 1970. */
  time_us: number;
  arrived_us: number;
  /** JSON texts. */
  attributes: string | null;
  data: string | null;
}

const cursorRows = 2_000;

/** The events of batches, as they came, by batch, source and id: always the same. */
export function eventsToExport(sql: Sql, batches: readonly bigint[]): AsyncIterable<ExportedEvent[]> {
  return sql<ExportedEvent[]>`
    SELECT namespace, id, source, type, subject, (extract(epoch FROM time) * 1000000)::float8 AS time_us,
           (extract(epoch FROM ingested_at) * 1000000)::float8 AS arrived_us,
           attributes::text AS attributes, data::text AS data
    FROM events
    WHERE batch_id BETWEEN ${batches[0]!} AND ${batches.at(-1)!} AND batch_id = ANY(${batches.map(String)}::bigint[])
    ORDER BY batch_id, namespace, source COLLATE "C", id COLLATE "C"`.cursor(cursorRows);
}
