import type { Transaction } from '@usage/db/connection/connect.ts';
import { ensureSeries } from '@usage/db/rollups/series.ts';

export interface Series {
  key: string;
  subject: string;
  groups: readonly string[];
}

const keySeparator = '\u0000';

/** About 150 bytes an entry: 60 MB at most. */
const entriesMax = 400_000;

/** The ids of series that were used lately. They never change, so any number of aggregators may remember them. */
export class SeriesIds {
  #generations = new Map<bigint, Map<string, number>>();
  #entries = 0;

  /** What one transaction finds out becomes known to others by keep(), after its commit. */
  of(generation: bigint) {
    const known = this.#generations.get(generation) ?? new Map<string, number>();
    const found = new Map<string, number>();
    return {
      /** The ids, in the order of the series. */
      resolve: async (tx: Transaction, series: readonly Series[]): Promise<number[]> => {
        const unknown = series.filter((one) => !known.has(one.key));
        if (unknown.length > 0) await lookUp(tx, generation, unknown, found);
        return series.map((one) => known.get(one.key) ?? found.get(one.key)!);
      },
      keep: (): void => {
        if (this.#entries + found.size > entriesMax) this.#forget();
        for (const [key, id] of found) known.set(key, id);
        this.#entries += found.size;
        if (known.size > 0) this.#generations.set(generation, known);
      },
    };
  }

  #forget(): void {
    for (const generation of this.#generations.values()) generation.clear();
    this.#generations.clear();
    this.#entries = 0;
  }
}

/** The key of a series within a generation: subject and group values, which hold no NUL. */
export function seriesKey(subject: string, groups: readonly string[]): string {
  return groups.length === 0 ? subject : subject + keySeparator + groups.join(keySeparator);
}

async function lookUp(
  tx: Transaction,
  generation: bigint,
  series: Series[],
  found: Map<string, number>,
): Promise<void> {
  const uuids = series.map((one) => uuidOf(one.key));
  const ids = await ensureSeries(
    tx,
    generation,
    series.map(({ subject, groups }, i) => ({ key: uuids[i]!, subject, groups })),
  );
  series.forEach((one, i) => {
    found.set(one.key, Number(ids.get(uuids[i]!)));
  });
}

function uuidOf(key: string): string {
  const hex = new Bun.CryptoHasher('sha256').update(key).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
