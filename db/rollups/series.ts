import type { Transaction } from '../connection/connect.ts';

export interface NewSeries {
  /** UUID text made of the first 16 bytes of SHA-256 of subject and group values (apps/aggregator/series.ts). */
  key: string;
  subject: string;
  groups: readonly string[];
}

/** The ids of those series of a generation that are there, by their keys. */
export async function findSeries(
  tx: Transaction,
  generation: bigint,
  keys: readonly string[],
): Promise<Map<string, number>> {
  const rows = await tx<{ id: number; key: string }[]>`
    SELECT s.id::float8 AS id, s.key
    FROM unnest(${`{${keys.join(',')}}`}::text::uuid[]) AS k (key) JOIN series s ON s.build = ${generation} AND s.key = k.key`;
  return new Map(rows.map((row) => [row.key, row.id]));
}

/** Makes series that are not there and returns their ids by their keys; the caller holds the generation's lock. */
export async function makeSeries(
  tx: Transaction,
  generation: bigint,
  series: readonly NewSeries[],
): Promise<Map<string, number>> {
  if (series.length === 0) return new Map();
  const rows = await tx<{ id: number; key: string }[]>`
    INSERT INTO series (build, key, subject, group_values)
    SELECT ${generation}, key, subject, ARRAY(SELECT jsonb_array_elements_text(groups))
    FROM unnest(${series.map((one) => one.key)}::uuid[], ${series.map((one) => one.subject)}::text[],
                ${series.map((one) => JSON.stringify(one.groups))}::text[]::jsonb[]) AS s (key, subject, groups)
    ORDER BY key
    RETURNING id::float8 AS id, key`;
  return new Map(rows.map((row) => [row.key, row.id]));
}
