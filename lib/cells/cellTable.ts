import { addDecimals, type Decimal, multiplyDecimals } from '../decimal/decimal.ts';
import type { Measurement } from '../meter/evaluate.ts';
import { type Aggregation, type KeptValues, keptValues } from '../meter/meter.ts';
import { minuteUs } from '../windows/units.ts';
import { mergeValues } from './cell.ts';
import { Cells } from './cells.ts';
import { pointText } from './points.ts';
import { addToSketch, binOf, type Sketch } from './sketch.ts';

/** The subject of all subjects together: no event's is empty. */
export const allSubjects = '';
/** Subjects are numbered below this, so that a subject and a group make one safe integer. */
const subjectsMax = 2 ** 24;

interface GroupNode {
  number: number;
  next: Map<string, GroupNode>;
}

export interface Adding {
  /** Into windows of so many minutes. */
  windowMinutes?: number;
  /** All under this one subject. */
  subject?: string;
  /** Only cells whose window begins before this minute. */
  beforeMinute?: number;
  /** Without the cells whose window begins at one of these minutes. */
  exceptMinutes?: ReadonlySet<number>;
}

interface GrowingColumns {
  minute: number[];
  subject: number[];
  group: number[];
  count: number[];
  value: (Decimal | undefined)[];
  firstUs: number[];
  lastUs: number[];
  uniques: Set<string>[];
  sketches: Sketch[];
  moments: Decimal[];
}

/** Cells that are added up: what an event, or another table, adds to a cell that is there goes into that. */
export class CellTable extends Cells {
  declare readonly columns: GrowingColumns;
  #subjectNumbers = new Map<string, number>();
  #groupTree: GroupNode = { number: -1, next: new Map() };
  #windows = new Map<number, Map<number, number>>();
  /** The window that was asked for last, which is the next one's as a rule. */
  #windowMinute = Number.NaN;
  #window = new Map<number, number>();
  readonly #kept: KeptValues;

  constructor(aggregation: Aggregation) {
    const columns = { minute: [], subject: [], group: [], count: [], value: [], firstUs: [], lastUs: [] };
    super(aggregation, [], [], { ...columns, uniques: [], sketches: [], moments: [] });
    this.#kept = keptValues[aggregation];
  }

  /** Adds one event, measured. */
  addEvent(subject: string, timeUs: number, { value, unique, groups }: Measurement): void {
    const minute = Math.floor(timeUs / minuteUs);
    const cell = this.#cellAt(minute, this.#subjectNumber(subject), this.#groupNumber(groups));
    const isSketched = this.#kept === 'sketch';
    this.#add(cell, 1, isSketched ? undefined : value, timeUs, timeUs);
    if (isSketched) addToSketch(this.#sketchOf(cell), new Map([[binOf(value!), 1]]));
    else if (this.#kept === 'points') this.#uniquesOf(cell).add(pointText(timeUs, value!));
    else if (this.#kept === 'area') this.#addMoment(cell, multiplyDecimals(value!, timeUs));
    if (unique !== undefined) this.#uniquesOf(cell).add(unique);
  }

  /** Adds cells of others. A table that was empty numbers subjects and groups as they do. */
  addCells(
    from: Cells,
    { windowMinutes = 1, subject: one, beforeMinute = Number.POSITIVE_INFINITY, exceptMinutes }: Adding = {},
  ): void {
    const all = one === undefined ? undefined : this.#subjectNumber(one);
    const subjects = all === undefined ? from.subjects.map((subject) => this.#subjectNumber(subject)) : [];
    const groups = from.groups.map((values) => this.#groupNumber(values));
    const { minute, subject, group, count, value, firstUs, lastUs, uniques, sketches, moments } =
      from.columns;
    for (let i = 0; i < from.size; i++) {
      if (minute[i]! >= beforeMinute || exceptMinutes?.has(minute[i]!)) continue;
      const start = minute[i]! - (minute[i]! % windowMinutes);
      const cell = this.#cellAt(start, all ?? subjects[subject[i]!]!, groups[group[i]!]!);
      this.#add(cell, count[i]!, value[i], firstUs[i]!, lastUs[i]!);
      if (uniques[i]) for (const unique of uniques[i]!) this.#uniquesOf(cell).add(unique);
      if (sketches[i]) addToSketch(this.#sketchOf(cell), sketches[i]!);
      if (moments[i] !== undefined) this.#addMoment(cell, moments[i]!);
    }
  }

  /** The cell, which is made where it isn't there. */
  #cellAt(start: number, subject: number, group: number): number {
    if (start !== this.#windowMinute) this.#turnTo(start);
    const key = group * subjectsMax + subject;
    let cell = this.#window.get(key);
    if (cell === undefined) {
      const { columns } = this;
      cell = columns.count.push(0) - 1;
      this.#window.set(key, cell);
      columns.minute.push(start);
      columns.subject.push(subject);
      columns.group.push(group);
    }
    return cell;
  }

  #add(cell: number, count: number, value: Decimal | undefined, firstUs: number, lastUs: number): void {
    const { columns } = this;
    if (columns.count[cell] === 0) {
      columns.count[cell] = count;
      columns.value.push(value);
      columns.firstUs.push(firstUs);
      columns.lastUs.push(lastUs);
      return;
    }
    const lastBefore = columns.lastUs[cell]!;
    columns.value[cell] = mergeValues(this.aggregation, columns.value[cell], lastBefore, value, lastUs);
    columns.count[cell]! += count;
    if (firstUs < columns.firstUs[cell]!) columns.firstUs[cell] = firstUs;
    if (lastUs > lastBefore) columns.lastUs[cell] = lastUs;
  }

  #uniquesOf(cell: number): Set<string> {
    const { uniques } = this.columns;
    uniques[cell] ??= new Set();
    return uniques[cell];
  }

  #sketchOf(cell: number): Sketch {
    const { sketches } = this.columns;
    sketches[cell] ??= new Map();
    return sketches[cell];
  }

  #addMoment(cell: number, moment: Decimal): void {
    const { moments } = this.columns;
    moments[cell] = addDecimals(moments[cell] ?? 0, moment);
  }

  #subjectNumber(subject: string): number {
    let number = this.#subjectNumbers.get(subject);
    if (number === undefined) {
      number = this.subjects.push(subject) - 1;
      if (number >= subjectsMax) throw new Error(`more than ${subjectsMax} subjects in one table`);
      this.#subjectNumbers.set(subject, number);
    }
    return number;
  }

  #groupNumber(values: readonly string[]): number {
    let node = this.#groupTree;
    for (const value of values) {
      let next = node.next.get(value);
      if (!next) {
        next = { number: -1, next: new Map() };
        node.next.set(value, next);
      }
      node = next;
    }
    if (node.number < 0) node.number = this.groups.push(values) - 1;
    return node.number;
  }

  #turnTo(start: number): void {
    let window = this.#windows.get(start);
    if (!window) {
      window = new Map();
      this.#windows.set(start, window);
    }
    this.#windowMinute = start;
    this.#window = window;
  }
}
