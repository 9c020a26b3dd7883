import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { parseJson } from '@usage/lib/json/parse.ts';
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet';
import { type CsvMapping, type CsvNotes, columnsOf, eventOf } from './csv.ts';
import type { DraftEvent } from './ids.ts';
import { cellOf, columnsIn, type ParquetCell, type ParquetColumn, parsers } from './parquetCells.ts';
import { quoted, Refusal, type RefusedRow, RowError } from './refusals.ts';

/** Snappy is the reader's own. */
const compressors: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => Bun.zstdDecompressSync(input as Uint8Array<ArrayBuffer>),
};

/** A row group is read as a whole. */
const groupBytesMax = 1024 * 1024 * 1024;

/**
 * An event a row, or why it can't be one; rows are counted from 1. With a mapping as for CSV, numbers stay numbers; without, the columns
 * are those of CloudEvents, as exports have them. Throws a Refusal where the file can't be read or its columns aren't understood.
 */
export async function* eventsOfParquet(
  path: string,
  mapping: CsvMapping | undefined,
  notes: CsvNotes,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent | RefusedRow> {
  const file = await asyncBufferFromFile(path);
  const metadata = await reading(path, () => parquetMetadataAsync(file, { parsers, geoparquet: false }));
  const columns = columnsIn(metadata.schema);
  const read = mapping ? mapped(path, columns, mapping, notes) : cloudEvents(path, columns);
  let line = 0;
  for (const group of metadata.row_groups) {
    if (Number(group.total_byte_size) > groupBytesMax)
      throw new Refusal(
        `${path}: a row group is longer than ${groupBytesMax} bytes: write the file with shorter ones.`,
      );
    const rowEnd = line + Number(group.num_rows);
    for (const row of await reading(path, () => rowsOf(file, metadata, line, rowEnd))) {
      line++;
      try {
        const cells = columns.map((column, at) => cellOf(row[at], column));
        const event = read(line, cells);
        if (event) yield event;
      } catch (error) {
        if (!(error instanceof RowError)) throw error;
        yield { line, reason: error.message };
      }
    }
    onBytes(Number(group.total_compressed_size ?? group.total_byte_size));
  }
}

function rowsOf(
  file: Awaited<ReturnType<typeof asyncBufferFromFile>>,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[][]> {
  return new Promise((resolve, reject) => {
    // Bytes stay bytes: a column that is no UTF-8 must not become one by replacing what it isn't.
    parquetRead({
      file,
      metadata,
      rowStart,
      rowEnd,
      utf8: false,
      geoparquet: false,
      parsers,
      compressors,
      onComplete: resolve,
    }).catch(reject);
  });
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new Refusal(`${path} can't be read as Parquet: ${(error as Error).message}.`);
  }
}

type ReadRow = (line: number, cells: ParquetCell[]) => DraftEvent | undefined;

function mapped(path: string, columns: ParquetColumn[], mapping: CsvMapping, notes: CsvNotes): ReadRow {
  const names = columns.map(({ name }) => name);
  const found = columnsOf(names, mapping, path, '');
  return (line, cells) => {
    const row = { line, cells: cells.map(({ text }) => text), typed: cells.map(({ json }) => json) };
    return eventOf(row, found, mapping, ',', notes);
  };
}

const attributeColumns = ['specversion', 'id', 'source', 'type', 'subject', 'time'];
/** `namespace` and `ingested_at` are of the system that exported: the key decides, and the arrival is another one. */
const known = [...attributeColumns, 'data', 'attributes', 'namespace', 'ingested_at'];

function cloudEvents(path: string, columns: ParquetColumn[]): ReadRow {
  const names = columns.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0 || !names.includes('type') || !names.includes('subject'))
    throw new Refusal(
      `${path}: its columns are ${names.map(quoted).join(', ')}: say with --type, --subject-column and so on what they are. Without ` +
        `options a file holds CloudEvents, in the columns ${known.join(', ')}.`,
    );
  return (line, cells) => {
    const attributes: Record<string, unknown> = {};
    const cell = (name: string) => cells[names.indexOf(name)];
    const more = cell('attributes');
    if (more && more.text !== '') Object.assign(attributes, objectIn(more.text, 'attributes'));
    for (const name of attributeColumns) {
      const text = cell(name)?.text;
      if (text !== undefined && text !== '') attributes[name] = text;
    }
    const data = cell('data')?.text;
    if (data === undefined || data === '') return { line, attributes };
    return { line, attributes, data: JSON.stringify(objectIn(data, 'data')) };
  };
}

function objectIn(text: string, name: string): object {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new RowError(`${name} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new RowError(`${name} is not a JSON object`);
}
