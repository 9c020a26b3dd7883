import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, withClient } from '../../db/connection/client.ts';
import { createTimescaleIfOffered, type ServerInfo, serverInfo } from '../../db/connection/server.ts';
import { migrate, migrationsFolder } from '../../db/schema/migrate.ts';
import { postgresUrl } from './servers.ts';

export interface TestDatabase extends ServerInfo {
  url: string;
  /**
   * Drops it; call in afterAll, when everything that used it is closed. Throws when a connection, a lock or a
   * prepared transaction is left over (after dropping it all the same).
   */
  drop(): Promise<void>;
}

const closeMsMax = 2_000;
const templateLock = 4_711_250_002;

export interface TestDatabaseOptions {
  /** False: native partitions, on a server that has TimescaleDB as well. */
  timescale?: boolean;
}

/** A fresh, migrated database of the caller's own: one for each test file, from a template made once. Some 100 ms. */
export async function createDatabase({ timescale = true }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const adminUrl = await postgresUrl();
  const template = await templateOf(adminUrl, timescale);
  const name = `usage_test_${process.pid}_${crypto.randomUUID().slice(0, 8)}`;
  await withClient(adminUrl, (client) => copyDatabase(client, template, name));
  const url = withDatabase(adminUrl, name);
  const info = await serverInfo(url);
  return {
    ...info,
    url,
    async drop() {
      const leaks = await withClient(adminUrl, (client) => findLeaks(client, name));
      await withClient(adminUrl, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
      if (leaks.length > 0) throw new Error(`left over in ${name}:\n${leaks.join('\n')}`);
    },
  };
}

/** Named after the migrations' content, so that a change of them makes a new one on a server that lives on. */
async function templateOf(adminUrl: string, timescale: boolean): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256');
  for (const file of (await readdir(migrationsFolder)).sort()) {
    hash.update(await readFile(join(migrationsFolder, file)));
  }
  const name = `usage_template_${hash.digest('hex').slice(0, 12)}${timescale ? '' : '_plain'}`;
  await withClient(adminUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    const { rows } = await client.query(
      'SELECT datallowconn AS unfinished FROM pg_database WHERE datname = $1',
      [name],
    );
    if (rows[0]?.unfinished) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
    if (rows.length === 0 || rows[0].unfinished) await makeTemplate(client, adminUrl, name, timescale);
  });
  return name;
}

async function makeTemplate(client: Client, adminUrl: string, name: string, timescale: boolean) {
  await client.query(`CREATE DATABASE ${name}`);
  const url = withDatabase(adminUrl, name);
  if (timescale) await createTimescaleIfOffered(url);
  await migrate(url, { direction: 'up', log: console.error });
  // TimescaleDB's workers connect to every database that allows it, and a database in use can't be copied.
  await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  await waitUntilUnused(client, name);
}

async function copyDatabase(client: Client, template: string, name: string): Promise<void> {
  // FILE_COPY needs a checkpoint; the copy through the WAL is quicker for a database this small.
  await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
}

async function waitUntilUnused(client: Client, name: string): Promise<void> {
  const deadline = performance.now() + closeMsMax;
  const users = 'SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = $1';
  while ((await client.query(users, [name])).rows[0].count > 0) {
    if (performance.now() > deadline) throw new Error(`the template ${name} is still in use`);
    await Bun.sleep(10);
  }
}

/** Connections get a moment to close: their sockets end after the client's promise. */
async function findLeaks(client: Client, name: string): Promise<string[]> {
  const deadline = performance.now() + closeMsMax;
  for (;;) {
    const { rows } = await client.query(leftOver, [name]);
    if (rows.length === 0) return [];
    if (performance.now() > deadline) return rows.map((row) => `  ${row.what}`);
    await Bun.sleep(25);
  }
}

const leftOver = `
  SELECT 'connection ' || coalesce(application_name, '') || ' ' || coalesce(state, '') || ': ' || left(query, 200) AS what
  FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'
  UNION ALL
  SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database = $1
  UNION ALL
  SELECT 'lock ' || locktype || ' ' || mode
  FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database LEFT JOIN pg_stat_activity USING (pid)
  WHERE pg_database.datname = $1 AND coalesce(backend_type, 'client backend') = 'client backend'`;

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
