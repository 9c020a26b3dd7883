import type { Executor } from '../connection/connect.ts';

/** Display names of those subjects that have an entry; undefined where the entry has none. */
export async function subjectNames(
  sql: Executor,
  namespace: string,
  keys: readonly string[],
): Promise<Map<string, string | undefined>> {
  if (keys.length === 0) return new Map();
  const rows = await sql<{ key: string; display_name: string | null }[]>`
    SELECT key, display_name FROM subjects WHERE namespace = ${namespace} AND key = ANY(${[...keys]}::text[])`;
  return new Map(rows.map(({ key, display_name }) => [key, display_name ?? undefined]));
}
