import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { withClient } from '../connection/client.ts';
import { migrate, migrationsFolder, migrationTurn } from './migrate.ts';

const files = (await readdir(migrationsFolder)).map((file) => file.replace('.sql', '')).sort();
const all = files.length;

describe.each([
  ['with TimescaleDB where the server has it', true],
  ['with native partitions', false],
])('migrations %s', (_storage, timescale) => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ timescale });
  });
  afterAll(() => database.drop());

  test('up a second time changes nothing', async () => {
    expect((await migrate(database.url, { direction: 'up' })).ran).toEqual([]);
  });

  test('down leaves nothing behind, and up from there works', async () => {
    const down = await migrate(database.url, { direction: 'down', count: all });
    expect(down.ran).toEqual([...files].reverse());
    expect(await ownObjects(database.url)).toEqual(['table migrations']);
    expect((await migrate(database.url, { direction: 'up' })).ran).toEqual(files);
  });

  test('two at once: each migration runs once', async () => {
    await migrate(database.url, { direction: 'down', count: all });
    const both = await Promise.all([
      migrate(database.url, { direction: 'up' }),
      migrate(database.url, { direction: 'up' }),
    ]);
    expect(both.flatMap((outcome) => outcome.ran).sort()).toEqual(files);
  });

  test('waits for another migration, up to a limit', async () => {
    await withClient(database.url, async (client) => {
      await client.query('SELECT pg_advisory_lock($1)', [migrationTurn]);
      const refused = migrate(database.url, { direction: 'up', turnWaitMsMax: 100 });
      await expect(refused).rejects.toThrow('another migration has been running for 0.1 s');
      const waiting = migrate(database.url, { direction: 'up' });
      await client.query('SELECT pg_advisory_unlock($1)', [migrationTurn]);
      expect((await waiting).ran).toEqual([]);
    });
  });

  test('a migration that fails half way leaves nothing of itself, and those before it stay', async () => {
    await migrate(database.url, { direction: 'down', count: all });
    const folder = await mkdtemp(join(tmpdir(), 'usage-migrations-'));
    const write = (name: string, up: string, down: string) =>
      writeFile(join(folder, name), `-- Up Migration\n${up};\n-- Down Migration\n${down};\n`);
    await write('001_good.sql', 'CREATE TABLE good ()', 'DROP TABLE good');
    await write('002_bad.sql', 'CREATE TABLE bad (); SELECT 1 / 0', 'DROP TABLE bad');
    await expect(migrate(database.url, { direction: 'up', folder })).rejects.toThrow('division by zero');
    expect(await ownObjects(database.url)).toEqual(['table good', 'table migrations']);

    await write('002_bad.sql', 'CREATE TABLE bad ()', 'DROP TABLE bad');
    expect((await migrate(database.url, { direction: 'up', folder })).ran).toEqual(['002_bad']);
    await migrate(database.url, { direction: 'down', count: 2, folder });
    await rm(folder, { recursive: true });
    expect((await migrate(database.url, { direction: 'up' })).ran).toEqual(files);
  });

  test('the command says what it did, and what it took back', async () => {
    const newest = files.at(-1)!;
    expect(command(database.url, 'down', '1')).toBe(`Taken back: ${newest}.`);
    expect(command(database.url, 'up')).toBe(`Migrated: ${newest}.`);
    expect(command(database.url)).toBe('Nothing to migrate.');
    expect(command(database.url, 'down', `${all}`)).toBe(`Taken back: ${files.toReversed().join(', ')}.`);
    expect(command(database.url, 'down')).toBe('Nothing to take back.');
    expect(command(database.url, 'up')).toBe(`Migrated: ${files.join(', ')}.`);
  });

  test('the period is set until the first one is opened, then kept', async () => {
    const set = await migrate(database.url, { direction: 'up', periodDays: 3 });
    expect(set.periodDays).toEqual({ periodDays: 3, asAsked: true });
    await withClient(database.url, (client) => client.query(`SELECT open_period('2026-01-01')`));
    const kept = await migrate(database.url, { direction: 'up', periodDays: 5 });
    expect(kept.periodDays).toEqual({ periodDays: 3, asAsked: false });
  });
});

/** What `bun db/schema/migrate.main.ts` prints. */
function command(url: string, ...args: string[]): string {
  const env = { ...process.env, DATABASE_URL: url };
  const run = Bun.spawnSync([process.execPath, join(import.meta.dirname, 'migrate.main.ts'), ...args], {
    env,
  });
  return `${run.stdout}${run.stderr}`.trim();
}

/** Tables, sequences and functions of the schema public that no extension brought. */
async function ownObjects(url: string): Promise<string[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(`
      SELECT 'table ' || relname AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
      UNION ALL
      SELECT 'sequence ' || relname FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' AND relname <> 'migrations_id_seq'
      UNION ALL
      SELECT 'function ' || proname FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
      ORDER BY name`);
    return rows.map((row) => row.name);
  });
}
