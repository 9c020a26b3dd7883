import type { Sql } from './connect.ts';

/** What an operator wants to know of the server itself. */
export interface ServerLoad {
  database_bytes: number;
  connections_max: number;
}

export async function serverLoad(sql: Sql): Promise<ServerLoad> {
  const [row] = await sql<ServerLoad[]>`
    SELECT pg_database_size(current_database())::float8 AS database_bytes,
           current_setting('max_connections')::int AS connections_max`;
  return row!;
}

export interface Connections {
  /** gateway, processor, query, aggregator or other. */
  app: string;
  /** active, idle or in_transaction. */
  state: string;
  count: number;
}

/** Open connections by app and by what they are doing; how much of each pool is in use. */
export async function connectionsByApp(sql: Sql): Promise<Connections[]> {
  return sql<Connections[]>`
    SELECT CASE WHEN name IN ('gateway', 'processor', 'query', 'aggregator') THEN name ELSE 'other' END AS app,
           CASE WHEN state LIKE 'idle in transaction%' THEN 'in_transaction'
                WHEN state = 'idle' THEN 'idle' ELSE 'active' END AS state,
           count(*)::int AS count
    FROM pg_stat_activity, split_part(application_name, ' ', 1) AS name
    WHERE datname = current_database() AND backend_type = 'client backend'
    GROUP BY 1, 2`;
}
