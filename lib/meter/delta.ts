import { type Decimal, formatDecimal, readDecimal } from '../decimal/decimal.ts';
import { Cells, minuteUs } from './cells.ts';
import type { Aggregation } from './meter.ts';

/**
 * The payload of a row of `deltas`: zstd over
 *
 *   uint32   length of the header
 *   header   JSON: what is not a column of numbers
 *   int32[]  a column after the other: minute, subject, group, count, first, last (µs after the minute's beginning)
 *   float64[] values, where there are any; NaN stands for one of header.decimals
 *
 * all of them little-endian, each column beginning at a multiple of 8 bytes.
 */
interface Header {
  aggregation: Aggregation;
  cells: number;
  subjects: string[];
  groups: (readonly string[])[];
  /** Values that a double doesn't hold: cell and text. */
  decimals: [cell: number, value: string][];
  /** By cell, for UNIQUE_COUNT. */
  uniques?: string[][];
}

const zstdLevel = 1;
const integerColumns = 6;
const valueless: ReadonlySet<Aggregation> = new Set<Aggregation>(['COUNT', 'UNIQUE_COUNT']);

export function encodeDelta({ aggregation, size: cells, subjects, groups, columns }: Cells): Buffer {
  const { minute, value, uniques } = columns;
  const decimals: Header['decimals'] = [];
  const values = valueless.has(aggregation) ? undefined : doublesOf(value, decimals);
  const header: Header = { aggregation, cells, subjects, groups, decimals };
  if (aggregation === 'UNIQUE_COUNT') header.uniques = uniques.map((distinct) => [...distinct]);
  const headerBytes = Buffer.from(JSON.stringify(header));
  const columnsAt = aligned(4 + headerBytes.length);
  const columnBytes = aligned(cells * 4);
  const valuesAt = columnsAt + integerColumns * columnBytes;
  const bytes = new Uint8Array(valuesAt + (values ? cells * 8 : 0));
  new DataView(bytes.buffer).setUint32(0, headerBytes.length, true);
  bytes.set(headerBytes, 4);
  const after = (us: readonly number[]) => us.map((time, cell) => time - minute[cell]! * minuteUs);
  const integers = [
    minute,
    columns.subject,
    columns.group,
    columns.count,
    after(columns.firstUs),
    after(columns.lastUs),
  ];
  integers.forEach((column, n) => {
    new Int32Array(bytes.buffer, columnsAt + n * columnBytes, cells).set(column);
  });
  if (values) new Float64Array(bytes.buffer, valuesAt, cells).set(values);
  return Bun.zstdCompressSync(bytes, { level: zstdLevel });
}

export function decodeDelta(payload: Uint8Array): Cells {
  const bytes = Uint8Array.from(Bun.zstdDecompressSync(payload as Uint8Array<ArrayBuffer>));
  const headerLength = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(Buffer.from(bytes.buffer, 4, headerLength).toString()) as Header;
  const { aggregation, cells } = header;
  const columnsAt = aligned(4 + headerLength);
  const columnBytes = aligned(cells * 4);
  const column = (n: number) => new Int32Array(bytes.buffer, columnsAt + n * columnBytes, cells);
  const minutes = column(0);
  const times = (n: number) => Array.from(column(n), (us, cell) => minutes[cell]! * minuteUs + us);
  const values: (Decimal | undefined)[] = valueless.has(aggregation)
    ? new Array(cells).fill(undefined)
    : Array.from(new Float64Array(bytes.buffer, columnsAt + integerColumns * columnBytes, cells));
  for (const [cell, text] of header.decimals) values[cell] = readDecimal(text);
  return new Cells(aggregation, header.subjects, header.groups, {
    minute: Array.from(minutes),
    subject: Array.from(column(1)),
    group: Array.from(column(2)),
    count: Array.from(column(3)),
    firstUs: times(4),
    lastUs: times(5),
    value: values,
    uniques: header.uniques?.map((uniques) => new Set(uniques)) ?? [],
  });
}

function doublesOf(values: readonly (Decimal | undefined)[], decimals: Header['decimals']): Float64Array {
  return Float64Array.from(values, (value, cell) => {
    if (typeof value === 'number') return value;
    decimals.push([cell, formatDecimal(value!)]);
    return Number.NaN;
  });
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
