import type { Sql } from '../connection/connect.ts';

export interface StreamShardsRow {
  /** As last asked for. */
  shards: number;
  /** In force before that. */
  before: number;
  /** Milliseconds since it was asked for, by PostgreSQL's clock. */
  ageMs: number;
}

/** Over how many streams of Redis the frames are spread. */
export async function streamShards(sql: Sql): Promise<StreamShardsRow> {
  const [row] = await sql<StreamShardsRow[]>`
    SELECT stream_shards AS shards, stream_shards_before AS before,
           least(extract(epoch FROM clock_timestamp() - greatest(stream_shards_at, '1970-01-01')) * 1000, 1e15)::float8 AS "ageMs"
    FROM storage_settings`;
  return row!;
}
