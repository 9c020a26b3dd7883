import type { Decimal } from '../decimal/decimal.ts';
import type { Aggregation } from '../meter/meter.ts';
import type { Cell } from './cell.ts';
import type { Sketch } from './sketch.ts';

/** A cell with what it is a cell of. */
export interface NamedCell {
  /** Minutes since 1970 at which its window begins. */
  minute: number;
  subject: string;
  groups: readonly string[];
  cell: Cell;
}

/** By cell, each as long as the others. */
export interface CellColumns {
  /** Where its window begins, its subject's and its groups' numbers. */
  readonly minute: ArrayLike<number>;
  readonly subject: ArrayLike<number>;
  readonly group: ArrayLike<number>;
  readonly count: ArrayLike<number>;
  readonly value: ArrayLike<Decimal | undefined>;
  readonly firstUs: ArrayLike<number>;
  readonly lastUs: ArrayLike<number>;
  /** Empty where the meter counts no distinct values. */
  readonly uniques: ArrayLike<Set<string>>;
  /** Empty where the meter has no percentiles. */
  readonly sketches: ArrayLike<Sketch>;
  /** Empty where the meter has no areas. */
  readonly moments: ArrayLike<Decimal>;
}

/**
 * The cells of one meter by window, subject and group values, in columns: subjects and lists of group values have
 * numbers, a cell is an index.
 */
export class Cells {
  constructor(
    readonly aggregation: Aggregation,
    readonly subjects: string[],
    readonly groups: (readonly string[])[],
    readonly columns: CellColumns,
  ) {}

  get size(): number {
    return this.columns.count.length;
  }

  /** What it costs to hold and to merge: its cells, their distinct values and the bins of their sketches. */
  get weight(): number {
    const { uniques, sketches } = this.columns;
    let weight = this.size;
    for (let cell = 0; cell < uniques.length; cell++) weight += uniques[cell]?.size ?? 0;
    for (let cell = 0; cell < sketches.length; cell++) weight += sketches[cell]?.size ?? 0;
    return weight;
  }

  /** The cells whose subject and group values are accepted; each is asked about once, not for every cell. */
  *named(
    acceptsSubject: (subject: string) => boolean = always,
    acceptsGroups: (values: readonly string[]) => boolean = always,
  ): Generator<NamedCell> {
    const groups = this.groups.map(acceptsGroups);
    const subjects = acceptsSubject === always ? undefined : this.subjects.map(acceptsSubject);
    if (subjects && !subjects.includes(true)) return;
    const { minute, subject, group } = this.columns;
    for (let cell = 0; cell < this.size; cell++) {
      if (!groups[group[cell]!] || (subjects && !subjects[subject[cell]!])) continue;
      yield {
        minute: minute[cell]!,
        subject: this.subjects[subject[cell]!]!,
        groups: this.groups[group[cell]!]!,
        cell: this.cell(cell),
      };
    }
  }

  cell(index: number): Cell {
    const { count, value, firstUs, lastUs, uniques, sketches, moments } = this.columns;
    return {
      count: count[index]!,
      value: value[index],
      firstUs: firstUs[index]!,
      lastUs: lastUs[index]!,
      uniques: uniques[index],
      sketch: sketches[index],
      moment: moments[index],
    };
  }
}

const always = () => true;
