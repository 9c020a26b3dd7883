import type { Transaction } from '../connection/connect.ts';

export interface NewSeries {
  /** UUID text made of the first 16 bytes of SHA-256 of subject and group values (apps/aggregator/series.ts). */
  key: string;
  subject: string;
  groups: readonly string[];
}

/** The ids of the series of a generation by their keys; makes those that are missing. */
export async function ensureSeries(
  tx: Transaction,
  generation: bigint,
  series: NewSeries[],
): Promise<Map<string, bigint>> {
  const keys = series.map((one) => one.key);
  await tx`
    INSERT INTO series (build, key, subject, group_values)
    SELECT ${generation}, key, subject, ARRAY(SELECT jsonb_array_elements_text(groups))
    FROM unnest(${keys}::uuid[], ${series.map((one) => one.subject)}::text[],
                ${series.map((one) => JSON.stringify(one.groups))}::text[]::jsonb[]) AS s (key, subject, groups)
    ORDER BY key
    ON CONFLICT (build, key) DO NOTHING`;
  const rows = await tx<{ id: bigint; key: string }[]>`
    SELECT id, key FROM series WHERE build = ${generation} AND key = ANY (${keys}::uuid[])`;
  return new Map(rows.map((row) => [row.key, row.id]));
}
