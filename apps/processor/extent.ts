import type { Identities } from '@usage/db/events/events.ts';
import { contentOf, type Row } from './batch.ts';

/** What has to be known of rows as a whole. */
export interface Extent {
  fromMs: number;
  toMs: number;
  periods: number[];
  /** A row needs a look into the neighbouring periods. */
  lookAround: boolean;
  /** The earliest period of rows that may be overtaken. */
  overtakable: number;
}

export function extentOf(rows: Row[]): Extent {
  const periods = new Set<number>();
  const extent: Extent = {
    fromMs: Number.POSITIVE_INFINITY,
    toMs: 0,
    periods: [],
    lookAround: false,
    overtakable: Number.POSITIVE_INFINITY,
  };
  for (const row of rows) {
    if (row.arrivedMs < extent.fromMs) extent.fromMs = row.arrivedMs;
    if (row.arrivedMs > extent.toMs) extent.toMs = row.arrivedMs;
    if (row.lookAround) extent.lookAround = true;
    if (row.mayBeOvertaken && row.period < extent.overtakable) extent.overtakable = row.period;
    periods.add(row.period);
  }
  extent.periods = [...periods];
  return extent;
}

export function identitiesOf(rows: Row[]): Identities {
  const identities: Identities = { ids: [], sources: [], namespaces: [] };
  for (const row of rows) {
    const { id, source, namespace } = contentOf(row);
    identities.ids.push(id);
    identities.sources.push(source);
    identities.namespaces.push(namespace);
  }
  return identities;
}

/** The first of each identity stands; one that was copied straight before is found like any other that is stored. */
export function withoutRepeats(rows: Row[]): { firsts: Row[]; repeats: Row[] } {
  const identities = new Set<string>();
  const firsts: Row[] = [];
  const repeats: Row[] = [];
  for (const row of rows) {
    const before = identities.size;
    const { id, source, namespace } = contentOf(row);
    identities.add(`${id}\0${source}\0${namespace}`);
    (identities.size === before ? repeats : firsts).push(row);
  }
  return { firsts, repeats };
}

export function withoutRows(rows: Row[], without: Row[]): Row[] {
  if (without.length === 0) return rows;
  const left = new Set(without);
  return rows.filter((row) => !left.has(row));
}
