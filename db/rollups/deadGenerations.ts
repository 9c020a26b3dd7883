import type { Executor, Transaction } from '../connection/connect.ts';

/** A generation with series, or closed days, that no meter has any more: deleted, or replaced by a change of its grouping. */
export async function deadGeneration(sql: Executor): Promise<bigint | undefined> {
  // From one generation to the next by the index: not all series are read to find that nothing is to be done.
  const [row] = await sql<{ generation: bigint }[]>`
    WITH RECURSIVE generations AS (
      (SELECT build FROM series ORDER BY build LIMIT 1)
      UNION ALL
      SELECT (SELECT s.build FROM series s WHERE s.build > g.build ORDER BY s.build LIMIT 1)
      FROM generations g WHERE g.build IS NOT NULL
    )
    SELECT build AS generation
    FROM (SELECT build FROM generations UNION ALL SELECT build FROM rollup_days_closed) g
    WHERE build IS NOT NULL AND NOT EXISTS (SELECT FROM meters m WHERE m.build = g.build AND m.deleted_at IS NULL)
    LIMIT 1`;
  return row?.generation;
}

const tables = [
  'rollup_minutes',
  'rollup_hours',
  'rollup_days',
  'unique_minutes',
  'unique_hours',
  'unique_days',
] as const;

/**
 * Deletes at most `rowsMax` rollup rows of the generation's first `seriesMax` series, and these series once they have none
 * left. Returns the rows deleted, series included; 0 when nothing of it is there any more. The caller holds the
 * generation's lock.
 */
export async function dropPieceOf(
  tx: Transaction,
  generation: bigint,
  { seriesMax, rowsMax }: { seriesMax: number; rowsMax: number },
): Promise<number> {
  const [first] = await tx<{ ids: string | null }[]>`
    SELECT array_agg(id)::text AS ids
    FROM (SELECT id FROM series WHERE build = ${generation} ORDER BY id LIMIT ${seriesMax}) s`;
  if (first!.ids === null) {
    await tx`DELETE FROM rollup_days_closed WHERE build = ${generation}`;
    return 0;
  }
  let rows = 0;
  for (const table of tables) {
    const { count } = await tx`
      DELETE FROM ${tx(table)} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ${tx(table)} WHERE series_id = ANY(${first!.ids}::text::bigint[]) LIMIT ${rowsMax - rows}))`;
    rows += count;
    if (rows >= rowsMax) return rows;
  }
  const { count } = await tx`DELETE FROM series WHERE id = ANY(${first!.ids}::text::bigint[])`;
  return rows + count;
}
