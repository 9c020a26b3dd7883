import { join } from 'node:path';
import type { Sql } from '@usage/db/connection/connect.ts';
import { type ExportedEvent, type ExportRun, eventsToExport } from '@usage/db/exports/runs.ts';
import type { Column, Row } from '@usage/lib/parquet/columns.ts';
import { dayUs } from '@usage/lib/windows/units.ts';
import { type Format, TableFile } from './table.ts';

const columns: Column[] = [
  { name: 'namespace', type: 'text' },
  { name: 'id', type: 'text' },
  { name: 'source', type: 'text' },
  { name: 'type', type: 'text' },
  { name: 'subject', type: 'text' },
  { name: 'time', type: 'time' },
  { name: 'ingested_at', type: 'time' },
  { name: 'data', type: 'text', nullable: true },
  { name: 'attributes', type: 'text', nullable: true },
];

/** All open files together hold no more in memory. */
const waitingCharsMax = 64 * 1024 * 1024;

export interface DayFile {
  /** YYYY-MM-DD, UTC. */
  day: string;
  /** Where it lies on this machine, complete. */
  localFile: string;
  rows: number;
  /** Its events arrived on a later day than that of their own time. */
  isLate: boolean;
}

/** The events of a run, a file for each UTC day of their own time, and one more for those of the day that arrived late. */
export async function writeEventFiles(
  sql: Sql,
  run: ExportRun,
  folder: string,
  format: Format,
): Promise<DayFile[]> {
  const files = new Map<string, TableFile>();
  for await (const rows of eventsToExport(sql, run.batches)) {
    for (const event of rows) {
      const name = fileNameOf(event);
      let file = files.get(name);
      if (!file) {
        file = new TableFile(join(folder, `${name}.${format}`), columns, format);
        files.set(name, file);
      }
      await file.add(rowOf(event));
    }
    await makeRoom([...files.values()]);
  }
  const done: DayFile[] = [];
  for (const [name, table] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await table.close();
    done.push({
      day: name.slice(0, 10),
      localFile: table.path,
      rows: table.rows,
      isLate: name.endsWith(late),
    });
  }
  return done;
}

const late = '-late';

function fileNameOf({ time_us: timeUs, arrived_us: arrivedUs }: ExportedEvent): string {
  const day = Math.floor(timeUs / dayUs);
  return `${dayText(day)}${Math.floor(arrivedUs / dayUs) > day ? late : ''}`;
}

async function makeRoom(tables: TableFile[]): Promise<void> {
  const waiting = tables.reduce((sum, table) => sum + table.waitingChars, 0);
  if (waiting < waitingCharsMax) return;
  for (const table of tables) if (table.waitingChars > 0) await table.flush();
}

function rowOf(event: ExportedEvent): Row {
  const { namespace, id, source, type, subject, time_us, arrived_us, data, attributes } = event;
  return [namespace, id, source, type, subject, time_us, arrived_us, data, attributes];
}

function dayText(day: number): string {
  return new Date((day * dayUs) / 1_000).toISOString().slice(0, 10);
}
