import type { Row } from './batch.ts';

/** Ids are told apart by so many bytes, of those in which they differ; a few that aren't are compared whole. */
const keyBytes = 6;
/** Of the bytes of an id that are looked at for a difference. */
const columnsMax = 32;
/** A key and a row's place make 64 bits. */
const rowsMax = 2 ** 16;

/**
 * The rows in the order of their ids, neighbours in the unique index one after the other: COPY takes 3.2 µs of
 * PostgreSQL's time a row instead of 5. Of one event sent twice the first stays first.
 *
 * Ids made within a second or two have most of their first bytes in common. The first six bytes in which any two of them
 * differ, and the row's place, are sorted as 64-bit integers: 0.1 µs a row, with a comparing function it was 0.2.
 */
export function inOrderOfIds(rows: readonly Row[]): Row[] {
  if (rows.length < 2 || rows.length > rowsMax) return rows.toSorted(compareIds);
  const columns = differingColumns(rows);
  const words = new Uint32Array(rows.length * 2);
  const keys = new BigUint64Array(words.buffer);
  for (let n = 0; n < rows.length; n++) {
    const { tuples, idAt, idEnd } = rows[n]!;
    const { bytes } = tuples;
    let high = 0;
    let low = 0;
    for (let k = 0; k < keyBytes; k++) {
      const at = idAt + columns[k]!;
      const byte = at < idEnd ? bytes[at]! : 0;
      if (k < 4) high = (high << 8) | byte;
      else low = (low << 8) | byte;
    }
    words[2 * n] = (low << 16) | n;
    words[2 * n + 1] = high;
  }
  keys.sort();
  const sorted = new Array<Row>(rows.length);
  for (let n = 0; n < rows.length; n++) sorted[n] = rows[words[2 * n]! & 0xffff]!;
  sortTies(sorted, words);
  return sorted;
}

/** The first places at which two of the ids differ; a shorter id goes on with zeros, which no id holds. */
function differingColumns(rows: readonly Row[]): number[] {
  const { tuples, idAt, idEnd } = rows[0]!;
  const first = new Uint8Array(columnsMax);
  for (let c = 0; c < columnsMax && idAt + c < idEnd; c++) first[c] = tuples.bytes[idAt + c]!;
  const differences = new Uint8Array(columnsMax);
  for (const { tuples, idAt, idEnd } of rows) {
    const { bytes } = tuples;
    const length = Math.min(columnsMax, idEnd - idAt);
    for (let c = 0; c < length; c++) differences[c]! |= bytes[idAt + c]! ^ first[c]!;
    for (let c = length; c < columnsMax; c++) differences[c]! |= first[c]!;
  }
  const columns: number[] = [];
  for (let c = 0; c < columnsMax && columns.length < keyBytes; c++) if (differences[c] !== 0) columns.push(c);
  // Looked at twice, a column changes nothing.
  while (columns.length < keyBytes) columns.push(0);
  return columns;
}

/** Rows with one key are compared whole. */
function sortTies(sorted: Row[], words: Uint32Array): void {
  const isTie = (n: number) =>
    words[2 * n + 1] === words[2 * n - 1] && words[2 * n]! >>> 16 === words[2 * n - 2]! >>> 16;
  for (let n = 1; n < sorted.length; n++) {
    if (!isTie(n)) continue;
    const from = n - 1;
    while (n < sorted.length && isTie(n)) n++;
    const tied = sorted.slice(from, n).sort(compareIds);
    for (let k = 0; k < tied.length; k++) sorted[from + k] = tied[k]!;
  }
}

function compareIds(a: Row, b: Row): number {
  const [bytes, others] = [a.tuples.bytes, b.tuples.bytes];
  const length = Math.min(a.idEnd - a.idAt, b.idEnd - b.idAt);
  for (let i = 0; i < length; i++) {
    const difference = bytes[a.idAt + i]! - others[b.idAt + i]!;
    if (difference !== 0) return difference;
  }
  return a.idEnd - a.idAt - (b.idEnd - b.idAt);
}
