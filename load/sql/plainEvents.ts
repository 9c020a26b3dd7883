import type { Sql } from '@usage/db/connection/connect.ts';

/** The home-made events table that the load harness compares with: one table, one unique key, jsonb. */
export interface PlainEvent {
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  data: unknown;
}

export async function createPlainEvents(sql: Sql): Promise<void> {
  await sql`
    CREATE TABLE load_plain_events (
      source text NOT NULL, id text NOT NULL, type text NOT NULL, subject text NOT NULL,
      time timestamptz NOT NULL, stored_at timestamptz NOT NULL DEFAULT now(), data jsonb,
      PRIMARY KEY (source, id)
    )`;
}

export async function dropPlainEvents(sql: Sql): Promise<void> {
  await sql`DROP TABLE IF EXISTS load_plain_events`;
}

export async function insertPlainEvents(sql: Sql, events: PlainEvent[]): Promise<void> {
  const column = (name: 'id' | 'source' | 'type' | 'subject' | 'time') => events.map((event) => event[name]);
  await sql`
    INSERT INTO load_plain_events (source, id, type, subject, time, data)
    SELECT * FROM unnest(${column('source')}::text[], ${column('id')}::text[], ${column('type')}::text[],
                         ${column('subject')}::text[], ${column('time')}::text[]::timestamptz[],
                         ${events.map((event) => JSON.stringify(event.data))}::text[]::jsonb[])
    ON CONFLICT DO NOTHING`;
}

export async function countPlainEvents(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::float8 AS count FROM load_plain_events`;
  return row!.count;
}
