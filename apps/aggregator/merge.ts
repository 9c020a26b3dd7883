import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { getMeterOfGeneration } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import {
  type MergeLimits,
  type StoredDelta,
  takeDeltas,
  tryLockGeneration,
} from '@usage/db/rollups/deltas.ts';
import { type DaysClosed, daysClosed } from '@usage/db/rollups/rollupDays.ts';
import {
  addToRollups,
  addUniques,
  type Grain,
  type RollupColumns,
  type UniqueColumns,
} from '@usage/db/rollups/rollups.ts';
import { allSubjects, CellTable } from '@usage/lib/cells/cellTable.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { type Aggregation, keepsTexts } from '@usage/lib/meter/meter.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { type Series, seriesIds } from './series.ts';

const minutesAnHour = 60;
const minutesADay = 1_440;

export interface Merged {
  deltas: number;
  rows: number;
  /** Arrival of the oldest event of each delta, ms since 1970. */
  arrivedMs: number[];
}

/**
 * Adds the oldest deltas of a generation to its rollups, in one transaction that takes them out of the deltas: each counts
 * exactly once, however often this is tried and however many aggregators there are. Undefined when another one is at it.
 */
export async function mergeGeneration(
  sql: Sql,
  generation: bigint,
  limits: MergeLimits,
): Promise<Merged | undefined> {
  const merged = (await sql.begin(async (tx) => {
    if (!(await tryLockGeneration(tx, generation))) return undefined;
    const deltas = await takeDeltas(tx, generation, limits);
    failPoint('merge-taken');
    // Undefined where it was deleted or rebuilt: nobody will ask for these deltas.
    const meter = await getMeterOfGeneration(tx, generation);
    const done = { deltas: deltas.length, rows: 0, arrivedMs: deltas.map((delta) => delta.arrived_ms) };
    if (!meter || deltas.length === 0) return done;
    const closed = await daysClosed(tx, generation);
    done.rows = (await writeCells(tx, meter, addUp(meter.aggregation, deltas, closed), closed)).rows;
    failPoint('merge-before-commit');
    return done;
  })) as Merged | undefined;
  failPoint('merge-after-commit');
  return merged;
}

/**
 * Adds cells to the rollups of their generation, whose lock the caller holds. Returns how many rows, and the series they are
 * of. The hours and days of the same cells are in `tables` as well, or are made by the caller.
 */
export async function writeCells(
  tx: Transaction,
  { generation, aggregation }: StoredMeter,
  tables: { minute: CellTable } & Partial<Record<Grain, CellTable>>,
  closed: DaysClosed | undefined,
): Promise<{ rows: number; series: number[] }> {
  const idOf = await idsOfSeries(tx, generation, tables.minute);
  const hasTexts = keepsTexts(aggregation);
  let rows = 0;
  for (const grain of ['minute', 'hour', 'day'] as const) {
    const table = tables[grain];
    if (!table) continue;
    const cells = inOrder(table, idOf);
    const made = grain === 'day' ? alreadyMade(cells, closed) : cells;
    await addToRollups(tx, grain, aggregation, rollupColumns(made));
    if (hasTexts) await addUniques(tx, grain, uniqueColumns(cells));
    rows += made.order.length;
  }
  return { rows, series: [...new Set(inOrder(tables.minute, idOf).series)] };
}

/**
 * First the deltas' cells by minute, but for those of some minutes; all subjects together, the hours and the closed days from
 * the few cells that come out of that: cells merge in any order to the same cell. Days that aren't closed are made from hours
 * later (days.ts), but for those that are half made: their distinct values are added to at once.
 */
export function addUp(
  aggregation: Aggregation,
  deltas: StoredDelta[],
  closed: DaysClosed | undefined,
  exceptMinutes: ReadonlySet<number> = noMinutes,
): Record<Grain, CellTable> {
  const minute = new CellTable(aggregation);
  for (const { payload } of deltas) minute.addCells(decodeDelta(payload), { exceptMinutes });
  addAllSubjects(minute);
  const hour = new CellTable(aggregation);
  hour.addCells(minute, { windowMinutes: minutesAnHour });
  const day = new CellTable(aggregation);
  day.addCells(hour, {
    windowMinutes: minutesADay,
    beforeMinute: (closed?.closing?.toUs ?? closed?.beforeUs ?? 0) / minuteUs,
  });
  return { minute, hour, day };
}

const noMinutes: ReadonlySet<number> = new Set();

/** Adds the cells of all subjects together. */
export function addAllSubjects(table: CellTable): void {
  const all = new CellTable(table.aggregation);
  all.addCells(table, { subject: allSubjects });
  table.addCells(all);
}

/** By a cell's subject and group numbers, the same in all tables of one merge. */
type SeriesIdOf = (subject: number, group: number) => number;

async function idsOfSeries(
  tx: Transaction,
  generation: bigint,
  { subjects, groups, columns }: CellTable,
): Promise<SeriesIdOf> {
  const places = new Map<number, number>();
  const placeOf = (subject: number, group: number) => group * subjects.length + subject;
  const series: Series[] = [];
  columns.subject.forEach((subject, cell) => {
    const group = columns.group[cell]!;
    if (places.has(placeOf(subject, group))) return;
    const [name, values] = [subjects[subject]!, groups[group]!];
    places.set(placeOf(subject, group), series.length);
    series.push({ subject: name, groups: values });
  });
  const found = await seriesIds(tx, generation, series);
  return (subject, group) => found[places.get(placeOf(subject, group))!]!;
}

interface OrderedCells {
  cells: CellTable;
  series: number[];
  /** The cells in the order of the primary key: neighbouring index pages one after the other. */
  order: number[];
}

function inOrder(cells: CellTable, idOf: SeriesIdOf): OrderedCells {
  const { minute, subject, group } = cells.columns;
  const series = subject.map((number, cell) => idOf(number, group[cell]!));
  const order = Array.from(series.keys()).sort((a, b) => series[a]! - series[b]! || minute[a]! - minute[b]!);
  return { cells, series, order };
}

/** Without the day cells that are made from their hours later. */
function alreadyMade(cells: OrderedCells, closed: DaysClosed | undefined): OrderedCells {
  const beforeMinute = (closed?.beforeUs ?? 0) / minuteUs;
  const seriesMade = Number(closed?.closing?.cellsSeries ?? 0n);
  const { minute } = cells.cells.columns;
  const isMade = (cell: number) => minute[cell]! < beforeMinute || cells.series[cell]! <= seriesMade;
  return { ...cells, order: cells.order.filter(isMade) };
}

function rollupColumns({ cells: { columns }, series, order }: OrderedCells): RollupColumns {
  const { minute, firstUs, lastUs, count, value, sketches, moments } = columns;
  return {
    series: order.map((cell) => series[cell]!),
    startMinutes: order.map((cell) => minute[cell]!),
    firstUs: order.map((cell) => firstUs[cell]!),
    lastUs: order.map((cell) => lastUs[cell]!),
    counts: order.map((cell) => count[cell]!),
    values: order.map((cell) => (value[cell] === undefined ? null : formatDecimal(value[cell]))),
    sketches:
      sketches.length === 0 ? [] : order.map((cell) => JSON.stringify(Object.fromEntries(sketches[cell]!))),
    moments: moments.length === 0 ? [] : order.map((cell) => formatDecimal(moments[cell]!)),
  };
}

function uniqueColumns({ cells: { columns }, series, order }: OrderedCells): UniqueColumns {
  const into: UniqueColumns = { series: [], startMinutes: [], values: [] };
  for (const cell of order) {
    for (const unique of columns.uniques[cell] ?? []) {
      into.series.push(series[cell]!);
      into.startMinutes.push(columns.minute[cell]!);
      into.values.push(unique);
    }
  }
  return into;
}
