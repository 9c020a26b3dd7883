import { appendFile, writeFile } from 'node:fs/promises';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Column, columnDataOf, type Row, schemaOf } from '@usage/lib/parquet/columns.ts';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';

export type Format = 'parquet' | 'csv';

/** Rows gathered before they are written as a row group. */
const groupRowsMax = 50_000;
const groupCharsMax = 32 * 1024 * 1024;

/** A table in a file of its own, written piece by piece. */
export class TableFile {
  rows = 0;
  #group: Row[] = [];
  #chars = 0;
  readonly #write: (rows: Row[]) => Promise<void> | void;
  readonly #finish: () => void;

  constructor(
    readonly path: string,
    readonly columns: readonly Column[],
    format: Format,
  ) {
    if (format === 'csv') {
      const header = writeFile(path, `${columns.map(({ name }) => name).join(',')}\r\n`);
      this.#write = async (rows) => {
        await header;
        await appendFile(path, rows.map((row) => csvLine(row, columns)).join(''));
      };
      this.#finish = () => {};
    } else {
      const writer = new ParquetWriter({ writer: fileWriter(path), schema: schemaOf(columns) });
      this.#write = (rows) => writer.write({ columnData: columnDataOf(columns, rows) });
      this.#finish = () => writer.finish();
    }
  }

  async add(row: Row): Promise<void> {
    this.#group.push(row);
    this.rows++;
    for (const cell of row) if (typeof cell === 'string') this.#chars += cell.length;
    if (this.#group.length >= groupRowsMax || this.#chars >= groupCharsMax) await this.flush();
  }

  /** Characters that wait in memory. */
  get waitingChars(): number {
    return this.#chars;
  }

  async flush(): Promise<void> {
    const rows = this.#group;
    this.#group = [];
    this.#chars = 0;
    await this.#write(rows);
  }

  async close(): Promise<void> {
    if (this.#group.length > 0 || this.rows === 0) await this.flush();
    this.#finish();
  }
}

/** RFC 4180; null is nothing, an empty text is "". */
function csvLine(row: Row, columns: readonly Column[]): string {
  const cells = row.map((cell, at) => {
    if (cell === null) return '';
    if (columns[at]!.type === 'time') return formatTimeUs(cell as number);
    const text = String(cell);
    return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(',')}\r\n`;
}
