import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { metersToExport } from '@usage/db/exports/days.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { readUsage } from '@usage/db/usage/readUsage.ts';
import { usageSnapshot } from '@usage/db/usage/sql/snapshot.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { groupByNames } from '@usage/lib/meter/meter.ts';
import type { Column, Row } from '@usage/lib/parquet/columns.ts';
import { dayUs, hourUs } from '@usage/lib/windows/units.ts';
import { type Format, TableFile } from './table.ts';

const columns: Column[] = [
  { name: 'namespace', type: 'text' },
  { name: 'meter', type: 'text' },
  { name: 'aggregation', type: 'text' },
  { name: 'subject', type: 'text' },
  { name: 'group_by', type: 'text' },
  { name: 'window_start', type: 'time' },
  { name: 'window_end', type: 'time' },
  { name: 'value', type: 'double' },
  { name: 'value_exact', type: 'text' },
];

export type ExportWindow = 'HOUR' | 'DAY';
export type RunnerOf = (deadlineMs: number) => UsageRunner;

const readMsMax = 300_000;

/**
 * What every meter measured on a UTC day, by window, subject and all of its groups, in a file; the answers of the API by the
 * same function. The digest is the same for the same rows. Meters are read one after the other, each in a snapshot.
 */
export async function writeUsageFile(
  sql: Sql,
  runnerOf: RunnerOf,
  of: { day: string; window: ExportWindow; path: string; format: Format },
): Promise<{ rows: number; digest: string }> {
  const table = new TableFile(of.path, columns, of.format);
  const digest = new Bun.CryptoHasher('sha256');
  const beginUs = Date.parse(`${of.day}T00:00:00Z`) * 1_000;
  const stepUs = of.window === 'HOUR' ? hourUs : dayUs;
  for (const { namespace, id } of await metersToExport(sql)) {
    // A window at a time: an answer holds 100,000 rows at most.
    for (let fromUs = beginUs; fromUs < beginUs + dayUs; fromUs += stepUs) {
      const range = { fromUs, toUs: fromUs + stepUs };
      for (const row of await readWindow(sql, runnerOf, namespace, id, range)) {
        digest.update(JSON.stringify(row));
        await table.add(row);
      }
    }
  }
  await table.close();
  return { rows: table.rows, digest: digest.digest('hex') };
}

async function readWindow(
  sql: Sql,
  runnerOf: RunnerOf,
  namespace: string,
  id: string,
  range: { fromUs: number; toUs: number },
): Promise<Row[]> {
  const read = async (tx: Transaction): Promise<Row[]> => {
    const found = await getMeterToRead(tx, namespace, id);
    return found ? await rowsOf(tx, found, range, runnerOf(performance.now() + readMsMax)) : [];
  };
  return await usageSnapshot(sql, readMsMax, Promise.resolve(), read);
}

async function rowsOf(
  tx: Transaction,
  found: MeterToRead,
  range: { fromUs: number; toUs: number },
  runner: UsageRunner,
): Promise<Row[]> {
  const { meter } = found;
  const names = groupByNames(meter);
  const query = {
    ...range,
    windows: undefined,
    subjects: undefined,
    groupBySubject: true,
    groupBy: names,
    filters: new Map(),
  };
  const { totals } = await readUsage(tx, found, query, runner);
  const rows = totals.map((total): Row => {
    const [subject, ...groups] = total.key;
    const groupBy = JSON.stringify(Object.fromEntries(names.map((name, at) => [name, groups[at]!])));
    const exact = formatDecimal(measuredValue(meter, total));
    const bounds = [range.fromUs, range.toUs];
    return [
      meter.namespace,
      meter.slug,
      meter.aggregation,
      subject!,
      groupBy,
      ...bounds,
      Number(exact),
      exact,
    ];
  });
  return rows.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

function order(row: Row): string {
  return `${row[3]}\0${row[4]}`;
}
