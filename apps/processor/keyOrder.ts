import type { Row } from './batch.ts';
import { keyBytes } from './reading/identity.ts';

/** Keys are told apart by so many bytes, of those in which they differ; a few that aren't are compared whole. */
const comparedBytes = 6;
/** The compared bytes and a row's place make 64 bits. */
const rowsMax = 2 ** 16;

/**
 * The rows in the order of their keys, neighbours in the index of the identity table one after the other: COPY takes less of
 * PostgreSQL's time, and transactions that store the same identities don't wait for each other. Of one event sent twice the
 * first stays first.
 *
 * Keys of ids made within a second or two have most of their first bytes in common. The first six bytes in which any two of
 * them differ, and the row's place, are sorted as 64-bit integers: 0.1 µs a row, with a comparing function it was 0.2.
 */
export function inOrderOfKeys(rows: readonly Row[]): Row[] {
  if (rows.length < 2 || rows.length > rowsMax) return rows.toSorted(compareKeys);
  const columns = differingColumns(rows);
  const words = new Uint32Array(rows.length * 2);
  const sortKeys = new BigUint64Array(words.buffer);
  for (let n = 0; n < rows.length; n++) {
    const { tuples, keyAt } = rows[n]!;
    const { keys } = tuples;
    let high = 0;
    let low = 0;
    for (let k = 0; k < comparedBytes; k++) {
      const byte = keys[keyAt + columns[k]!]!;
      if (k < 4) high = (high << 8) | byte;
      else low = (low << 8) | byte;
    }
    words[2 * n] = (low << 16) | n;
    words[2 * n + 1] = high;
  }
  sortKeys.sort();
  const sorted = new Array<Row>(rows.length);
  for (let n = 0; n < rows.length; n++) sorted[n] = rows[words[2 * n]! & 0xffff]!;
  sortTies(sorted, words);
  return sorted;
}

/** The first places at which two of the keys differ. */
function differingColumns(rows: readonly Row[]): number[] {
  const first = rows[0]!;
  const differences = new Uint8Array(keyBytes);
  for (const { tuples, keyAt } of rows) {
    for (let c = 0; c < keyBytes; c++)
      differences[c]! |= tuples.keys[keyAt + c]! ^ first.tuples.keys[first.keyAt + c]!;
  }
  const columns: number[] = [];
  for (let c = 0; c < keyBytes && columns.length < comparedBytes; c++)
    if (differences[c] !== 0) columns.push(c);
  // Looked at twice, a column changes nothing.
  while (columns.length < comparedBytes) columns.push(0);
  return columns;
}

/** Rows that the compared bytes don't tell apart are compared whole. */
function sortTies(sorted: Row[], words: Uint32Array): void {
  const isTie = (n: number) =>
    words[2 * n + 1] === words[2 * n - 1] && words[2 * n]! >>> 16 === words[2 * n - 2]! >>> 16;
  for (let n = 1; n < sorted.length; n++) {
    if (!isTie(n)) continue;
    const from = n - 1;
    while (n < sorted.length && isTie(n)) n++;
    const tied = sorted.slice(from, n).sort(compareKeys);
    for (let k = 0; k < tied.length; k++) sorted[from + k] = tied[k]!;
  }
}

function compareKeys(a: Row, b: Row): number {
  for (let i = 0; i < keyBytes; i++) {
    const difference = a.tuples.keys[a.keyAt + i]! - b.tuples.keys[b.keyAt + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
