import { type Decimal, formatDecimal, readDecimal } from '../decimal/decimal.ts';
import { type Aggregation, type KeptValues, keptValues } from '../meter/meter.ts';
import { minuteUs } from '../windows/units.ts';
import { Cells } from './cells.ts';
import type { Sketch } from './sketch.ts';

/**
 * The payload of a row of `deltas`: zstd over
 *
 *   uint32   length of the header
 *   header   JSON: what is not a column of numbers
 *   int32[]  a column after the other: minute, subject, group, count, first, last (µs after the minute's beginning)
 *   float64[] values, where there are any; NaN stands for one of header.decimals
 *
 * all of them little-endian, each column beginning at a multiple of 8 bytes. That is version 1, known by the first byte of
 * zstd's own mark; a later version begins with its number. Version 2 is a byte 2 and the same: it says that the header holds
 * sketches, moments or points, which apps that only know version 1 would lose.
 */
interface Header {
  aggregation: Aggregation;
  cells: number;
  subjects: string[];
  groups: (readonly string[])[];
  /** Values that a double doesn't hold: cell and text. */
  decimals: [cell: number, value: string][];
  /** By cell, where it keeps distinct values. */
  uniques?: string[][];
  /** By cell, where it keeps a sketch: bin, count, bin, count, … */
  sketches?: number[][];
  /** By cell, where it keeps a moment. */
  moments?: string[];
}

const zstdLevel = 1;
const zstdMark = 0x28;
const secondVersion = 2;
const integerColumns = 6;

export function encodeDelta({ aggregation, size: cells, subjects, groups, columns }: Cells): Buffer {
  const { minute, value, uniques, sketches, moments } = columns;
  const decimals: Header['decimals'] = [];
  const kept = keptValues[aggregation];
  const values = hasValues(kept) ? doublesOf(value, cells, decimals) : undefined;
  const header: Header = { aggregation, cells, subjects, groups, decimals };
  if (kept === 'distinct' || kept === 'points')
    header.uniques = Array.from(uniques, (distinct) => [...distinct]);
  if (kept === 'sketch') header.sketches = Array.from(sketches, (sketch) => [...sketch].flat());
  if (kept === 'area') header.moments = Array.from(moments, formatDecimal);
  const headerBytes = Buffer.from(JSON.stringify(header));
  const columnsAt = aligned(4 + headerBytes.length);
  const columnBytes = aligned(cells * 4);
  const valuesAt = columnsAt + integerColumns * columnBytes;
  const bytes = new Uint8Array(valuesAt + (values ? cells * 8 : 0));
  new DataView(bytes.buffer).setUint32(0, headerBytes.length, true);
  bytes.set(headerBytes, 4);
  const { subject, group, count, firstUs, lastUs } = columns;
  const integers = [
    minute,
    subject,
    group,
    count,
    afterMinutes(firstUs, minute),
    afterMinutes(lastUs, minute),
  ];
  integers.forEach((column, n) => {
    new Int32Array(bytes.buffer, columnsAt + n * columnBytes, cells).set(column);
  });
  if (values) new Float64Array(bytes.buffer, valuesAt, cells).set(values);
  const compressed = Bun.zstdCompressSync(bytes, { level: zstdLevel });
  return kept === 'sketch' || kept === 'area' || kept === 'points'
    ? Buffer.concat([Buffer.of(secondVersion), compressed])
    : compressed;
}

/** Throws an Error for a version that isn't known: such deltas wait for an app that knows it. */
export function decodeDelta(payload: Uint8Array): Cells {
  if (payload[0] === secondVersion) payload = payload.subarray(1);
  else if (payload[0] !== zstdMark)
    throw new Error(`delta version ${payload[0] ?? 'none'} is unknown: what wrote it is newer than this app`);
  // Copied, so that the columns are aligned.
  const bytes = new Uint8Array(Bun.zstdDecompressSync(payload as Uint8Array<ArrayBuffer>));
  const headerLength = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(Buffer.from(bytes.buffer, 4, headerLength).toString()) as Header;
  const { aggregation, cells } = header;
  const columnsAt = aligned(4 + headerLength);
  const columnBytes = aligned(cells * 4);
  const column = (n: number) => new Int32Array(bytes.buffer, columnsAt + n * columnBytes, cells);
  const minute = column(0);
  const valuesAt = columnsAt + integerColumns * columnBytes;
  return new Cells(aggregation, header.subjects, header.groups, {
    minute,
    subject: column(1),
    group: column(2),
    count: column(3),
    firstUs: timesOf(minute, column(4)),
    lastUs: timesOf(minute, column(5)),
    value: hasValues(keptValues[aggregation])
      ? valuesOf(new Float64Array(bytes.buffer, valuesAt, cells), header)
      : new Array(cells),
    uniques: header.uniques?.map((uniques) => new Set(uniques)) ?? [],
    sketches: header.sketches?.map(sketchOf) ?? [],
    moments: header.moments?.map(readDecimal) ?? [],
  });
}

function hasValues(kept: KeptValues): boolean {
  return kept === 'one' || kept === 'area' || kept === 'points';
}

function sketchOf(binsAndCounts: readonly number[]): Sketch {
  const sketch: Sketch = new Map();
  for (let at = 0; at < binsAndCounts.length; at += 2) sketch.set(binsAndCounts[at]!, binsAndCounts[at + 1]!);
  return sketch;
}

function timesOf(minute: Int32Array, afterUs: Int32Array): Float64Array {
  const times = new Float64Array(minute.length);
  for (let cell = 0; cell < times.length; cell++) times[cell] = minute[cell]! * minuteUs + afterUs[cell]!;
  return times;
}

function valuesOf(doubles: Float64Array, { decimals }: Header): ArrayLike<Decimal> {
  if (decimals.length === 0) return doubles;
  const values: Decimal[] = Array.from(doubles);
  for (const [cell, text] of decimals) values[cell] = readDecimal(text);
  return values;
}

function afterMinutes(us: ArrayLike<number>, minute: ArrayLike<number>): Int32Array {
  const after = new Int32Array(us.length);
  for (let cell = 0; cell < us.length; cell++) after[cell] = us[cell]! - minute[cell]! * minuteUs;
  return after;
}

function doublesOf(
  values: ArrayLike<Decimal | undefined>,
  cells: number,
  decimals: Header['decimals'],
): Float64Array {
  const doubles = new Float64Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    const value = values[cell]!;
    doubles[cell] = typeof value === 'number' ? value : Number.NaN;
    if (typeof value !== 'number') decimals.push([cell, formatDecimal(value)]);
  }
  return doubles;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
