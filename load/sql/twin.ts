import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Sql } from '@usage/db/connection/connect.ts';
import { eventStorage } from '@usage/db/schema/storagePolicies.ts';

export type CopyFormat = 'text' | 'binary';

/** An empty twin of the events table: what COPY into it reaches is the most that any way into events can reach. */
const twin = 'load_twin';

/**
 * The same columns, indexes and kind of table, with a partition that takes every row of events; and with the unique index that
 * a table without identity tables would need, so that the ceiling is of rows that are held to be stored once.
 */
export async function createTwin(sql: Sql): Promise<void> {
  await dropTwin(sql);
  if ((await eventStorage(sql)) !== 'partitions') {
    await sql.unsafe(`CREATE TABLE ${twin} (LIKE events INCLUDING ALL)`);
    await sql.unsafe(`
      SELECT create_hypertable('${twin}', by_range('period', make_interval(days => 7)), create_default_indexes => false)`);
  } else {
    await sql.unsafe(`CREATE TABLE ${twin} (LIKE events INCLUDING ALL) PARTITION BY RANGE (period)`);
    await sql.unsafe(
      `CREATE TABLE ${twin}_all PARTITION OF ${twin} FOR VALUES FROM (MINVALUE) TO (MAXVALUE)`,
    );
  }
  await sql.unsafe(`CREATE UNIQUE INDEX ON ${twin} (id, source, namespace, period)`);
  // The chunk must be there before: into a table that its own transaction made, COPY may skip the WAL.
  await sql.unsafe(`INSERT INTO ${twin} SELECT DISTINCT ON (period) * FROM events`);
  await sql.unsafe(`DELETE FROM ${twin}`);
}

export async function dropTwin(sql: Sql): Promise<void> {
  await sql.unsafe(`DROP TABLE IF EXISTS ${twin}`);
}

/**
 * Writes the rows of events, in the order in which they were stored, as COPY wants them into a file of the server's data
 * folder; returns its path. Needs the right to write server files, and whoever reads it must be on the same machine.
 */
export async function exportAsCopy(sql: Sql, format: CopyFormat): Promise<string> {
  const [row] = await sql<{ path: string }[]>`
    SELECT current_setting('data_directory') || ${`/${twin}.${format}`} AS path`;
  const { path } = row!;
  await sql.unsafe(`COPY (SELECT * FROM events) TO '${path.replaceAll("'", "''")}' (FORMAT ${format})`);
  return path;
}

/** One COPY in one transaction over one connection, committed when it resolves. */
export async function copyIntoTwin(sql: Sql, format: CopyFormat, rows: AsyncIterable<Buffer>): Promise<void> {
  const stream = (await sql.unsafe(`COPY ${twin} FROM STDIN (FORMAT ${format})`).writable()) as Writable;
  const failed = new Promise<never>((_, reject) => stream.on('error', reject));
  failed.catch(() => {});
  for await (const bytes of rows) {
    if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), failed]);
  }
  const finished = once(stream, 'finish');
  stream.end();
  await Promise.race([finished, failed]);
}

export async function countTwin(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(`SELECT count(*)::float8 AS count FROM ${twin}`);
  return row!.count;
}

/** So that what is measured next begins with the same write-ahead log as what was measured before. */
export async function checkpoint(sql: Sql): Promise<void> {
  await sql`CHECKPOINT`;
}
