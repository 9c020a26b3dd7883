import type { Executor, Sql, Transaction } from '../connection/connect.ts';

export interface SeriesState {
  key: string;
  /** Time of the last point that was counted, ns since 1970. */
  counted_ns: string;
  /** Its value, every digit. */
  value: string;
  /** JSON array of events that Redis may not have; null where it has them all. */
  pending: string | null;
}

/** The states of series, made where they are new and locked until the transaction ends; always in the order of their keys. */
export async function lockSeries(
  tx: Transaction,
  namespace: string,
  keys: readonly string[],
): Promise<SeriesState[]> {
  const sorted = [...keys].sort();
  await tx`
    INSERT INTO otlp_series (key, namespace)
    SELECT key, ${namespace} FROM unnest(${sorted}::text[]) key ORDER BY key COLLATE "C"
    ON CONFLICT (key) DO NOTHING`;
  return tx<SeriesState[]>`
    SELECT key, counted_ns::text AS counted_ns, value::text AS value, pending FROM otlp_series
    WHERE key = ANY(${sorted}::text[]) ORDER BY key FOR UPDATE`;
}

export async function saveSeries(tx: Transaction, states: readonly SeriesState[]): Promise<void> {
  await tx`
    UPDATE otlp_series s SET counted_ns = n.counted_ns::numeric, value = n.value::numeric, pending = n.pending, changed_at = now()
    FROM unnest(${states.map(({ key }) => key)}::text[], ${states.map(({ counted_ns }) => counted_ns)}::text[],
                ${states.map(({ value }) => value)}::text[], ${states.map(({ pending }) => pending)}::text[])
      AS n (key, counted_ns, value, pending)
    WHERE s.key = n.key`;
}

/** Redis has acknowledged the events of these states; those of states that have changed since stay. */
export async function clearPending(
  sql: Executor,
  states: readonly Pick<SeriesState, 'key' | 'pending'>[],
): Promise<void> {
  await sql`
    UPDATE otlp_series s SET pending = NULL
    FROM unnest(${states.map(({ key }) => key)}::text[], ${states.map(({ pending }) => pending)}::text[]) AS n (key, pending)
    WHERE s.key = n.key AND s.pending = n.pending`;
}

export interface PendingSeries {
  key: string;
  namespace: string;
  pending: string;
}

/** States whose events have waited for so many seconds: whoever wrote them is gone. */
export async function pendingSeries(sql: Sql, seconds: number, max: number): Promise<PendingSeries[]> {
  return sql<PendingSeries[]>`
    SELECT key, namespace, pending FROM otlp_series
    WHERE pending IS NOT NULL AND changed_at < now() - make_interval(secs => ${seconds})
    ORDER BY changed_at LIMIT ${max}`;
}

/** Forgets series that have been silent for so many days, a few at a time. */
export async function dropSilentSeries(sql: Sql, days: number, max: number): Promise<void> {
  await sql`
    DELETE FROM otlp_series WHERE key IN (
      SELECT key FROM otlp_series WHERE pending IS NULL AND changed_at < now() - make_interval(days => ${days}) LIMIT ${max})`;
}
