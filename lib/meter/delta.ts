import {
  addDecimals,
  compareDecimals,
  type Decimal,
  formatDecimal,
  readDecimal,
} from '../decimal/decimal.ts';
import type { Cell } from './cell.ts';
import type { CompiledMeter, Measurement } from './evaluate.ts';
import type { Aggregation } from './meter.ts';

/** A cell of one minute, subject and list of group values: what deltas are made of. */
export interface DeltaCell {
  /** Minutes since 1970. */
  minute: number;
  subject: string;
  groups: readonly string[];
  cell: Cell;
}

export const minuteUs = 60_000_000;
const keySeparator = '\u0000';

/** The key of a series within a build: subject and group values, which hold no NUL. */
export function seriesKey(subject: string, groups: readonly string[]): string {
  return groups.length === 0 ? subject : subject + keySeparator + groups.join(keySeparator);
}

/** Sums what events add to one meter, in memory: series by minute, the minute of the event before at hand. */
export class DeltaBuilder {
  #minutes = new Map<number, Map<string, DeltaCell>>();
  #minute = Number.NaN;
  #cells = new Map<string, DeltaCell>();
  #size = 0;

  constructor(readonly meter: CompiledMeter) {}

  /** How many cells there are. */
  get size(): number {
    return this.#size;
  }

  /** Counts one event; events the meter can't measure are left out. */
  add(subject: string, timeUs: number, data: unknown): void {
    const measurement = this.meter.measure(data);
    if (typeof measurement === 'string') return;
    const minute = Math.floor(timeUs / minuteUs);
    if (minute !== this.#minute) this.#turnTo(minute);
    const key = seriesKey(subject, measurement.groups);
    const existing = this.#cells.get(key);
    if (existing) {
      addEvent(this.meter.meter.aggregation, existing.cell, timeUs, measurement);
    } else {
      this.#cells.set(key, {
        minute,
        subject,
        groups: measurement.groups,
        cell: cellOf(timeUs, measurement),
      });
      this.#size++;
    }
  }

  *cells(): Generator<DeltaCell> {
    for (const cells of this.#minutes.values()) yield* cells.values();
  }

  #turnTo(minute: number): void {
    let cells = this.#minutes.get(minute);
    if (!cells) {
      cells = new Map();
      this.#minutes.set(minute, cells);
    }
    this.#minute = minute;
    this.#cells = cells;
  }
}

/** The cell of one event. */
export function cellOf(timeUs: number, measurement: Measurement): Cell {
  return {
    count: 1,
    value: measurement.value,
    firstUs: timeUs,
    lastUs: timeUs,
    uniques: measurement.unique === undefined ? undefined : new Set([measurement.unique]),
  };
}

/** mergeCell(cell, cellOf(event)) without making the second cell: this is the processor's inner loop. */
function addEvent(aggregation: Aggregation, cell: Cell, timeUs: number, event: Measurement): void {
  cell.count++;
  if (event.value !== undefined) cell.value = addValue(aggregation, cell, timeUs, event.value);
  if (event.unique !== undefined) cell.uniques!.add(event.unique);
  if (timeUs < cell.firstUs) cell.firstUs = timeUs;
  if (timeUs > cell.lastUs) cell.lastUs = timeUs;
}

function addValue(aggregation: Aggregation, cell: Cell, timeUs: number, value: Decimal): Decimal {
  const held = cell.value!;
  switch (aggregation) {
    case 'MIN':
      return compareDecimals(held, value) <= 0 ? held : value;
    case 'MAX':
      return compareDecimals(held, value) >= 0 ? held : value;
    case 'LATEST':
      if (timeUs !== cell.lastUs) return timeUs > cell.lastUs ? value : held;
      return compareDecimals(held, value) >= 0 ? held : value;
    default:
      return addDecimals(held, value);
  }
}

type Entry = [
  minute: number,
  subject: string,
  groups: readonly string[],
  count: number,
  value: number | string | null,
  firstUs: number,
  lastUs: number,
  uniques?: string[],
];

const zstdLevel = 1;

/** The payload of a row of `deltas`: zstd over a JSON array with an entry a cell. */
export function encodeDelta(cells: Iterable<DeltaCell>): Buffer {
  const entries: Entry[] = [];
  for (const { minute, subject, groups, cell } of cells) {
    const value =
      cell.value === undefined
        ? null
        : typeof cell.value === 'number'
          ? cell.value
          : formatDecimal(cell.value);
    const entry: Entry = [minute, subject, groups, cell.count, value, cell.firstUs, cell.lastUs];
    if (cell.uniques) entry.push([...cell.uniques]);
    entries.push(entry);
  }
  return Bun.zstdCompressSync(Buffer.from(JSON.stringify(entries)), { level: zstdLevel });
}

export function decodeDelta(payload: Uint8Array): DeltaCell[] {
  const entries = JSON.parse(
    Bun.zstdDecompressSync(payload as Uint8Array<ArrayBuffer>).toString(),
  ) as Entry[];
  return entries.map(([minute, subject, groups, count, value, firstUs, lastUs, uniques]) => ({
    minute,
    subject,
    groups,
    cell: {
      count,
      value: value === null ? undefined : typeof value === 'number' ? value : readDecimal(value),
      firstUs,
      lastUs,
      uniques: uniques && new Set(uniques),
    },
  }));
}
