import type { Transaction } from '@usage/db/connection/connect.ts';
import { findSeries, makeSeries } from '@usage/db/rollups/series.ts';

export interface Series {
  subject: string;
  groups: readonly string[];
}

const keySeparator = '\u0000';

/**
 * The ids of a generation's series, in the order of `series`; those that are missing are made. Read in the transaction that
 * writes their rollups and never remembered: a database that went back to an older state gives the same id to another series.
 */
export async function seriesIds(
  tx: Transaction,
  generation: bigint,
  series: readonly Series[],
): Promise<number[]> {
  const keys = series.map(keyOf);
  const found = await findSeries(tx, generation, keys);
  const missing = series.flatMap((one, i) => (found.has(keys[i]!) ? [] : [{ ...one, key: keys[i]! }]));
  const made = await makeSeries(tx, generation, missing);
  return keys.map((key) => found.get(key) ?? made.get(key)!);
}

/** Of a series within its generation, as a UUID's text. Subject and group values hold no NUL. */
function keyOf({ subject, groups }: Series): string {
  const text = [subject, ...groups].join(keySeparator);
  const hex = new Bun.CryptoHasher('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
