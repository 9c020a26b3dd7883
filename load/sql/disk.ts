import type { Sql } from '@usage/db/connection/connect.ts';

/** All tables and indexes of the database that is connected to, in bytes. */
export async function databaseBytes(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    SELECT pg_database_size(current_database())::float8 AS bytes`;
  return row!.bytes;
}

/** The files of the write-ahead log, in bytes. Needs the rights of a superuser or of pg_monitor. */
export async function walBytes(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`SELECT sum(size)::float8 AS bytes FROM pg_ls_waldir()`;
  return row!.bytes;
}

/** Bytes of what is stored of events, by what it is for. */
export interface StoredBytes {
  identities: number;
  rollups: number;
}

export async function storedBytes(sql: Sql): Promise<StoredBytes> {
  const [row] = await sql<StoredBytes[]>`
    SELECT coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE relname ~ '^identities_[0-9]+$'), 0)::float8 AS identities,
           coalesce(sum(pg_total_relation_size(oid)) FILTER (WHERE relname ~ '^(rollup|unique)_|^(series|deltas)$'), 0)::float8 AS rollups
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`;
  return row!;
}

/** What TimescaleDB's job does with a day of events an hour after it has ended, done at once. */
export async function compressAllDays(sql: Sql): Promise<void> {
  await sql`SELECT compress_chunk(chunk, if_not_compressed => true) FROM show_chunks('events') AS chunk`;
}

/** Gives the space of rows that are gone back, and brings statistics up to date, as autovacuum does in time. */
export async function vacuumAll(sql: Sql): Promise<void> {
  await sql`VACUUM ANALYZE`;
}
