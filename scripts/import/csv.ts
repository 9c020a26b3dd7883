import type { DraftEvent } from './ids.ts';
import { type NumberStyle, readNumber, undecidedNumber } from './numbers.ts';
import { quoted, Refusal, type RefusedRow, RowError } from './refusals.ts';
import { type CsvLayout, type CsvRow, rowsOf } from './rows.ts';
import { readTime, type TimeReading } from './times.ts';
import { totalsIssue } from './totals.ts';

export interface CsvMapping {
  type: { constant: string } | { column: string };
  subject: { constant: string } | { column: string };
  idColumn: string | undefined;
  timeColumn: string | undefined;
  /** Empty: every column that isn't mapped otherwise, under its own name. */
  data: { field: string; column: string }[];
  /** Columns whose cells go as numbers, written in this style. */
  numberColumns: string[];
  numbers: NumberStyle;
  /** Columns whose cells go as they are, whatever they look like. */
  textColumns: string[];
  times: TimeReading;
  /** Rows of totals: refused, left out, or taken for usage. */
  totals: 'refuse' | 'skip' | 'keep';
}

/** What a row comes to. */
export interface CsvNotes {
  /** Rows without any text in them. */
  emptyRows: number;
  totalsRows: number;
  /** Times that had no offset, so that the zone decided. */
  localTimes: number;
}

const headerLinesSearched = 50;

/** An event a row, or why it can't be one. Throws a Refusal where the columns can't be understood. */
export async function* eventsOfCsv(
  path: string,
  layout: CsvLayout,
  mapping: CsvMapping,
  notes: CsvNotes,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent | RefusedRow> {
  let columns: Columns | undefined;
  for await (const row of rowsOf(path, layout, onBytes)) {
    if (row.line < layout.headerLine) continue;
    if (!columns) {
      columns = columnsOf(
        row.cells,
        mapping,
        `${path}, line ${row.line}`,
        await laterHeader(path, layout, mapping),
      );
      continue;
    }
    if (row.cells.every((cell) => cell === '')) {
      notes.emptyRows++;
      continue;
    }
    try {
      const event = eventOf(row, columns, mapping, layout.delimiter, notes);
      if (event) yield event;
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line: row.line, reason: error.message };
    }
  }
  if (!columns)
    throw new Refusal(`${path}: there is no line ${layout.headerLine} with the names of the columns.`);
}

/** Where each thing stands in a row. */
export interface Columns {
  count: number;
  type: number | undefined;
  subject: number | undefined;
  id: number | undefined;
  time: number | undefined;
  fields: { field: string; name: string; at: number; is: 'number' | 'text' | 'undecided' }[];
}

export function columnsOf(names: string[], mapping: CsvMapping, at: string, elsewhere: string): Columns {
  for (const [index, name] of names.entries()) {
    const twin = names.indexOf(name);
    if (twin < index && name !== '') {
      throw new Refusal(
        `${at}: two columns are named ${quoted(name)} (${twin + 1} and ${index + 1}): rename one of them.`,
      );
    }
  }
  const find = (name: string): number => {
    const index = names.indexOf(name);
    if (index >= 0) return index;
    throw new Refusal(
      `${at}: there is no column ${quoted(name)}; there are ${names.map(quoted).join(', ')}.${elsewhere}`,
    );
  };
  const optional = (name: string | undefined) => (name === undefined ? undefined : find(name));
  const type = optional('column' in mapping.type ? mapping.type.column : undefined);
  const subject = optional('column' in mapping.subject ? mapping.subject.column : undefined);
  const id = optional(mapping.idColumn);
  const time = optional(mapping.timeColumn);
  const others = names.map((name) => ({ field: name, column: name }));
  const taken = new Set([type, subject, id, time]);
  const wanted = mapping.data.length > 0 ? mapping.data : others.filter((_, index) => !taken.has(index));
  const nameless = wanted.findIndex(({ column }) => column === '');
  if (nameless >= 0) {
    const column = names.indexOf('') + 1;
    throw new Refusal(`${at}: column ${column} has no name: name it, or choose columns with --data.`);
  }
  for (const name of [...mapping.numberColumns, ...mapping.textColumns]) find(name);
  const isOf = (name: string) =>
    mapping.numberColumns.includes(name)
      ? 'number'
      : mapping.textColumns.includes(name)
        ? 'text'
        : 'undecided';
  const fields = wanted.map(
    ({ field, column }) => ({ field, name: column, at: find(column), is: isOf(column) }) as const,
  );
  return { count: names.length, type, subject, id, time, fields };
}

/** A line further down that has every column which is asked for: spreadsheets put titles above the header. */
async function laterHeader(path: string, layout: CsvLayout, mapping: CsvMapping): Promise<string> {
  const wanted = [mapping.timeColumn, mapping.idColumn, ...mapping.data.map(({ column }) => column)];
  for (const from of [mapping.type, mapping.subject]) if ('column' in from) wanted.push(from.column);
  const names = wanted.filter((name) => name !== undefined);
  if (names.length === 0) return '';
  try {
    for await (const { line, cells } of rowsOf(path, layout, () => {})) {
      if (line > headerLinesSearched) break;
      if (line > layout.headerLine && names.every((name) => cells.includes(name)))
        return ` Line ${line} has them: --header-line ${line}.`;
    }
  } catch {
    // What is wrong with the rows is said when they are read.
  }
  return '';
}

/** undefined: a row of totals that is left out. Throws a RowError. */
export function eventOf(
  row: CsvRow,
  columns: Columns,
  mapping: CsvMapping,
  delimiter: string,
  notes: CsvNotes,
): DraftEvent | undefined {
  const { cells, line } = row;
  const total = mapping.totals === 'keep' ? undefined : totalsIssue(cells);
  if (total !== undefined) {
    if (mapping.totals === 'refuse') throw new RowError(total);
    notes.totalsRows++;
    return undefined;
  }
  if (cells.length !== columns.count)
    throw new RowError(
      `the row has ${cells.length} cells, the header ${columns.count}: is a delimiter missing or in excess?`,
    );
  const attributes: DraftEvent['attributes'] = {
    type: attribute('type', mapping.type, columns.type, cells),
    subject: attribute('subject', mapping.subject, columns.subject, cells),
  };
  if (columns.id !== undefined) attributes.id = clean('id', cells[columns.id]!);
  if (columns.time !== undefined) {
    const time = readTime(cells[columns.time]!, mapping.times);
    if (time.isLocal) notes.localTimes++;
    attributes.time = time.text;
  }
  const members = columns.fields.map(({ field, name, at, is }) => {
    const cell = cells[at]!;
    const typed = row.typed?.[at];
    if (typed !== undefined && is !== 'text') return { field, json: typed };
    if (is === 'number') return { field, json: readNumber(cell, name, mapping.numbers) };
    const undecided = is === 'undecided' ? undecidedNumber(cell, name, delimiter) : undefined;
    if (undecided !== undefined) throw new RowError(undecided);
    return { field, json: cell === '' ? 'null' : JSON.stringify(cell) };
  });
  // The cells as they stand: the same row is the same event, however its numbers and times were read.
  const identity = [
    attributes.type,
    attributes.subject,
    columns.time === undefined ? null : cells[columns.time],
    columns.fields.map(({ field, name, at }) => [field, name, cells[at]]),
  ];
  return { line, attributes, data: objectOf(members), identity: JSON.stringify(identity) };
}

function objectOf(members: { field: string; json: string }[]): string {
  return `{${members.map(({ field, json }) => `${JSON.stringify(field)}:${json}`).join(',')}}`;
}

function attribute(name: string, from: CsvMapping['type'], at: number | undefined, cells: string[]): string {
  return 'constant' in from ? from.constant : clean(name, cells[at!]!);
}

const invisible = /^[\s\u00a0\ufeff\u200b-\u200f]|[\s\u00a0\ufeff\u200b-\u200f]$|[\ufffd\u200b\u2060\ufeff]/u;

/** Two customers must not differ by what nobody can see, nor be one by what was lost. */
function clean(name: string, cell: string): string {
  if (cell === '') throw new RowError(`${name} is empty`);
  if (invisible.test(cell))
    throw new RowError(
      `${name} ${quoted(cell)} holds a character that can't be seen, or one that was lost (U+FFFD): mend it`,
    );
  return cell;
}
