import type { Sql } from '@usage/db/connection/connect.ts';
import type { RawAnswer, RawQuestion } from './rawUsage.ts';

/** Columns of one batch. */
export interface EventColumns {
  source: string[];
  id: string[];
  type: string[];
  subject: string[];
  time: string[];
  data: string[];
}

/**
 * A hypertable of chunks of seven days, or a plain table where TimescaleDB is missing. The unique index must hold the time, by
 * which a hypertable is divided; the other index is for questions about one subject.
 */
export async function createHypertable(sql: Sql, timescale: boolean): Promise<void> {
  await sql`
    CREATE TABLE peer_events (
      source text NOT NULL, id text NOT NULL, type text NOT NULL, subject text NOT NULL,
      time timestamptz NOT NULL, stored_at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL,
      PRIMARY KEY (source, id, time)
    )`;
  if (timescale) {
    await sql`
      SELECT create_hypertable('peer_events', by_range('time', INTERVAL '7 days'), create_default_indexes => false)`;
  }
  await sql`CREATE INDEX ON peer_events (type, subject, time)`;
}

export async function insertIntoHypertable(sql: Sql, of: EventColumns): Promise<void> {
  await sql`
    INSERT INTO peer_events (source, id, type, subject, time, data)
    SELECT * FROM unnest(${of.source}::text[], ${of.id}::text[], ${of.type}::text[], ${of.subject}::text[],
                         ${of.time}::text[]::timestamptz[], ${of.data}::text[]::jsonb[])
    ON CONFLICT DO NOTHING`;
}

export async function countHypertable(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::float8 AS count FROM peer_events`;
  return row!.count;
}

/** Fills the visibility map and the statistics, as autovacuum does in time. */
export async function vacuumHypertable(sql: Sql): Promise<void> {
  await sql`VACUUM ANALYZE peer_events`;
}

export async function sumHypertable(sql: Sql, of: RawQuestion): Promise<RawAnswer[]> {
  const ofSubject = of.subject === undefined ? sql`` : sql`AND subject = ${of.subject}`;
  return sql<RawAnswer[]>`
    SELECT date_trunc(${of.window ?? null}::text, time, 'UTC') AS window_start,
           ARRAY(SELECT data ->> key FROM unnest(${[...of.groupBy]}::text[]) AS key) AS groups,
           sum((data ->> ${of.value})::numeric) AS value
    FROM peer_events
    WHERE type = ${of.type} AND time >= ${of.from} AND time < ${of.to} ${ofSubject}
    GROUP BY 1, 2`;
}
