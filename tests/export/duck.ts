import { DuckDBInstance } from '@duckdb/node-api';

/** Asks DuckDB, in memory; numbers beyond a double's come as texts. */
export async function duck(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(`SET TimeZone = 'UTC'; ${sql}`)).getRowObjectsJson() as Record<
      string,
      unknown
    >[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
