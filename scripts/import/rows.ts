import { Readable } from 'node:stream';
import { CsvError, type Options, parse } from 'csv-parse';
import { parse as parseText } from 'csv-parse/sync';
import { quoted, Refusal } from './refusals.ts';
import { textOf } from './text.ts';

export interface CsvLayout {
  encoding: string;
  delimiter: string;
  /** Where the names of the columns stand, from 1. */
  headerLine: number;
  /** Quotes inside a cell that doesn't begin with one are part of it; else the file is refused. */
  keepStrayQuotes: boolean;
}

export interface CsvRow {
  /** Its first line in the file, from 1. */
  line: number;
  /** White space around them is left off, unless it is quoted. */
  cells: string[];
  /** JSON of the cells that are no texts, where a file has types. */
  typed?: (string | undefined)[];
}

/** An unclosed quote ends here and not at the end of a long file. */
const rowBytesMax = 1024 * 1024;
const sampleChars = 64 * 1024;
const sampleRows = 20;
const delimiters = [',', ';', '\t', '|'];
const newline = /\r\n|\n|\r/g;

/** Every row of a CSV from its first line on, empty lines left out. Throws a Refusal where quotes don't match. */
export async function* rowsOf(
  path: string,
  layout: CsvLayout,
  onBytes: (bytes: number) => void,
): AsyncGenerator<CsvRow> {
  const text = Readable.from(textOf(path, layout.encoding, onBytes));
  // Counted as rows are parsed, well before they are taken: it says where an issue lies.
  let line = 1;
  const placed = ({ record: cells, raw }: ParsedRow) => {
    const first = line;
    line += raw.match(newline)?.length ?? 0;
    return { line: first, cells, isSeparator: first === 1 && separatorLine.test(raw) };
  };
  const parser = parse({
    ...parserOptions(layout.delimiter, layout.keepStrayQuotes),
    on_record: placed as unknown as NonNullable<Options['on_record']>,
  });
  text.on('error', (error) => parser.destroy(error));
  text.pipe(parser);
  try {
    for await (const row of parser as AsyncIterable<CsvRow & { isSeparator: boolean }>) {
      const { cells } = row;
      if (row.isSeparator || (cells.length === 1 && cells[0] === '')) continue;
      const torn =
        layout.keepStrayQuotes && cells.find((cell) => cell.startsWith('"') && cell.includes('\n'));
      if (torn)
        throw new Refusal(
          `${path}, line ${row.line}: a quote opens a cell that none closes: ${quoted(torn)}`,
        );
      yield row;
    }
  } catch (error) {
    throw error instanceof CsvError ? refusalOf(error, path, line) : error;
  } finally {
    text.destroy();
  }
}

interface ParsedRow {
  record: string[];
  raw: string;
}

/** Excel's first line that names the delimiter. */
const separatorLine = /^"?sep=(.|tab)"?\r?\n?$/i;

function parserOptions(delimiter: string, relax_quotes: boolean): Options {
  return {
    delimiter,
    relax_quotes,
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n', '\r'],
    trim: true,
    raw: true,
    max_record_size: rowBytesMax,
  };
}

function refusalOf(error: CsvError, path: string, line: number): Refusal {
  switch (error.code) {
    case 'INVALID_OPENING_QUOTE':
      return new Refusal(
        `${path}, line ${line}: a quote stands inside a cell that doesn't begin with one: put the cell into quotes and ` +
          'double those inside it, or say --stray-quotes keep where they are part of their cells.',
      );
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE':
      return new Refusal(
        `${path}, line ${line}: something follows the quote that ends a cell: double quotes inside it.`,
      );
    case 'CSV_QUOTE_NOT_CLOSED':
      return new Refusal(`${path}, line ${line}: a quote opens a cell that none closes: close or double it.`);
    case 'CSV_MAX_RECORD_SIZE':
      return new Refusal(
        `${path}, line ${line}: the row is longer than ${rowBytesMax} bytes; does a quote open a cell that none closes?`,
      );
    default:
      return new Refusal(`${path}, line ${line}: ${error.message}`);
  }
}

/**
 * The delimiter: `given`, else what a first line "sep=;" names, else the one that cuts the header and the rows after it into
 * the same number of columns. Throws a Refusal where more than one does.
 */
export async function delimiterOf(
  path: string,
  encoding: string,
  given: string | undefined,
  headerLine: number,
): Promise<string> {
  if (given !== undefined) return given;
  const sample = await sampleOf(path, encoding);
  const named = separatorLine.exec(/^.*\r?\n?/.exec(sample)![0])?.[1];
  if (named !== undefined) return named.toLowerCase() === 'tab' ? '\t' : named;
  return detectedDelimiter(path, sample, headerLine);
}

function detectedDelimiter(path: string, sample: string, headerLine: number): string {
  const counts = delimiters.map((delimiter) => ({
    delimiter,
    columns: columnsIn(sample, delimiter, headerLine),
  }));
  const cutting = counts.filter(({ columns }) => (columns[0] ?? 0) > 1);
  const even = cutting.filter(({ columns }) => columns.every((count) => count === columns[0]));
  if (even.length === 1 || (even.length === 0 && cutting.length === 1))
    return (even[0] ?? cutting[0])!.delimiter;
  if (cutting.length === 0 && counts.every(({ columns }) => columns.every((count) => count === 1)))
    return ',';
  const found = (cutting.length === 0 ? counts : cutting)
    .map(({ delimiter }) => quoted(delimiter))
    .join(' or ');
  throw new Refusal(`${path}: what stands between its columns? ${found} would do: say it with --delimiter.`);
}

/** How many cells each row of the sample has, those before the header and the last one, which may be cut off, left out. */
function columnsIn(sample: string, delimiter: string, headerLine: number): number[] {
  const text = sample
    .split(/\r\n|\n|\r/)
    .slice(headerLine - 1)
    .join('\n');
  try {
    const rows = parseText(text, {
      delimiter,
      relax_quotes: true,
      relax_column_count: true,
      trim: true,
      skip_empty_lines: true,
      to: sampleRows + 1,
    }) as string[][];
    return rows.slice(0, rows.length > 2 ? -1 : undefined).map((row) => row.length);
  } catch {
    return [];
  }
}

async function sampleOf(path: string, encoding: string): Promise<string> {
  let sample = '';
  for await (const text of textOf(path, encoding, () => {})) {
    sample += text;
    if (sample.length >= sampleChars) break;
  }
  return sample;
}
