import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import type { DraftEvent } from './ids.ts';

export interface CsvMapping {
  type: { constant: string } | { column: string };
  subject: { constant: string } | { column: string };
  timeColumn: string | undefined;
  /** Empty: every column that isn't mapped otherwise, under its own name. */
  data: { field: string; column: string }[];
}

/** A JSON number that keeps all of its digits. */
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** An event a row; throws with the line where a column is missing or a time isn't one. */
export async function* eventsOfCsv(
  path: string,
  mapping: CsvMapping,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent> {
  const file = createReadStream(path);
  file.on('data', (chunk) => onBytes(chunk.length));
  const rows = file.pipe(parse({ columns: true, bom: true, trim: true, skip_empty_lines: true, info: true }));
  file.on('error', (error) => rows.destroy(error));
  for await (const { record, info } of rows as AsyncIterable<{
    record: Record<string, string>;
    info: { lines: number };
  }>) {
    const at = `${path}, line ${info.lines}`;
    const mapped = new Set([columnOf(mapping.type), columnOf(mapping.subject), mapping.timeColumn]);
    const fields =
      mapping.data.length > 0
        ? mapping.data
        : Object.keys(record)
            .filter((name) => !mapped.has(name))
            .map((name) => ({ field: name, column: name }));
    yield {
      origin: at,
      type: textOf(mapping.type, record, at),
      subject: textOf(mapping.subject, record, at),
      ...(mapping.timeColumn === undefined
        ? {}
        : { time: toRfc3339(cell(record, mapping.timeColumn, at), at) }),
      data: `{${fields.map(({ field, column }) => `${JSON.stringify(field)}:${toJson(cell(record, column, at))}`).join(',')}}`,
    };
  }
}

function columnOf(from: CsvMapping['type']): string | undefined {
  return 'column' in from ? from.column : undefined;
}

function textOf(from: CsvMapping['type'], record: Record<string, string>, at: string): string {
  return 'constant' in from ? from.constant : cell(record, from.column, at);
}

function cell(record: Record<string, string>, column: string, at: string): string {
  const value = record[column];
  if (value === undefined)
    throw new Error(`${at}: there is no column "${column}"; there are ${Object.keys(record).join(', ')}`);
  return value;
}

function toJson(value: string): string {
  if (value === '') return 'null';
  return jsonNumber.test(value) ? value : JSON.stringify(value);
}

/** A time without an offset is taken as UTC. */
function toRfc3339(value: string, at: string): string {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(value);
  if (!match)
    throw new Error(`${at}: "${value}" is not a time such as 2023-11-16T18:15:46Z or 2023-11-16 18:15:46`);
  const [, date, time, offset = 'Z'] = match;
  return `${date}T${time}${/^[+-]\d{4}$/.test(offset) ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset.toUpperCase()}`;
}
