import type { Sql } from '@usage/db/connection/connect.ts';
import { ownersOf } from '@usage/db/limits/stateTokens.ts';
import { fedDeltas } from '@usage/db/notifications/feed.ts';
import { deltaPayloads } from '@usage/db/usage/sql/rollupSums.ts';
import type { Cells } from '@usage/lib/cells/cells.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import { toNumber } from '@usage/lib/decimal/decimal.ts';

export interface DeltaToRead {
  id: bigint;
  generation: bigint;
  /** It is in the feed of those that were merged. */
  isMerged: boolean;
}

/** By subject, at most how much was added to its usage; Infinity where the meter does not add up. undefined = any subject. */
export type Touched = Map<string, number> | undefined;

/** What the deltas touched, by generation; `unread` are those that are gone from where they were. */
export async function touchedBy(sql: Sql, deltas: readonly DeltaToRead[]) {
  const touched = new Map<bigint, Touched>();
  const unread = new Set(deltas.map(({ id }) => id));
  const generationOf = new Map(deltas.map(({ id, generation }) => [id, generation]));
  const add = (id: bigint, payload: Buffer | null) => {
    unread.delete(id);
    const generation = generationOf.get(id)!;
    if (payload === null) touched.set(generation, undefined);
    else if (!touched.has(generation) || touched.get(generation)) {
      const subjects = touched.get(generation) ?? new Map<string, number>();
      addTouched(subjects, decodeDelta(payload));
      touched.set(generation, subjects);
    }
  };
  const ids = (isMerged: boolean) => deltas.filter((one) => one.isMerged === isMerged).map(({ id }) => id);
  const [waiting, merged] = [ids(false), ids(true)];
  if (waiting.length > 0) for (const { id, payload } of await deltaPayloads(sql, waiting)) add(id, payload);
  if (merged.length > 0) for (const { id, payload } of await fedDeltas(sql, merged)) add(id, payload);
  return { touched, unread };
}

/** Cells that take something away count as nothing: the look may have held them already. */
function addTouched(touched: Map<string, number>, cells: Cells): void {
  const { subjects, aggregation } = cells;
  const { subject, count, value } = cells.columns;
  const added = new Float64Array(subjects.length);
  for (let cell = 0; cell < cells.size; cell++) {
    const amount =
      aggregation === 'COUNT'
        ? count[cell]!
        : aggregation === 'SUM'
          ? toNumber(value[cell] ?? 0).number
          : Number.POSITIVE_INFINITY;
    if (amount > 0) added[subject[cell]!]! += amount;
  }
  subjects.forEach((name, i) => {
    touched.set(name, (touched.get(name) ?? 0) + added[i]!);
  });
}

export interface TouchedCustomer {
  id: string;
  stateToken: string;
  /** To the usage of its touched subjects together. */
  added: number;
  subjects: string[];
}

/** Subjects whose customers are asked for at once. */
const ownersMax = 10_000;

/** Whose the touched subjects are. */
export async function touchedCustomers(
  sql: Sql,
  namespace: string,
  touched: ReadonlyMap<string, number>,
): Promise<TouchedCustomer[]> {
  const customers = new Map<string, TouchedCustomer>();
  const subjects = [...touched.keys()];
  for (let at = 0; at < subjects.length; at += ownersMax) {
    for (const { subject, id, stateToken } of await ownersOf(
      sql,
      namespace,
      subjects.slice(at, at + ownersMax),
    )) {
      const customer = customers.get(id) ?? { id, stateToken, added: 0, subjects: [] };
      customer.added += touched.get(subject)!;
      customer.subjects.push(subject);
      customers.set(id, customer);
    }
  }
  return [...customers.values()];
}
