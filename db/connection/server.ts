import { withClient } from './client.ts';

/**
 * What is done to a whole server, outside migrations: is it there, which extension does it have. For scripts and tests.
 */

export interface ServerInfo {
  /** Like 15.20. */
  postgres: string;
  /** TimescaleDB's version in this database; undefined: native partitions. */
  timescale: string | undefined;
}

/** True when the server takes connections; false while it starts up, recovers or isn't there. Throws when it refuses us. */
export async function isAccepting(url: string): Promise<boolean> {
  try {
    await withClient(url, (client) => client.query('SELECT'));
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    // 28: wrong password, 3D: no such database. Everything else may pass.
    if (code.startsWith('28') || code === '3D000') throw error;
    return false;
  }
}

/** Creates the database that the URL names, over a URL of the same server; does nothing when it is there. */
export async function createDatabaseIfMissing(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE "${name.replaceAll('"', '""')}"`);
  });
}

/**
 * Creates the timescaledb extension where the server offers it and has it preloaded, without which creating it fails;
 * a new version of it is taken over by an update.
 */
export async function createTimescaleIfOffered(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const offered = await client.query(
      `SELECT installed_version, default_version,
              (SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries') AS preloaded
       FROM pg_available_extensions WHERE name = 'timescaledb'`,
    );
    const [extension] = offered.rows;
    // NULL: this user may not see the setting.
    if (!extension || extension.preloaded?.includes('timescaledb') === false) return;
    if (extension.installed_version === null) await client.query('CREATE EXTENSION timescaledb');
    // Must be the first statement of its connection.
    else if (extension.installed_version !== extension.default_version) {
      await withClient(url, (first) => first.query('ALTER EXTENSION timescaledb UPDATE'));
    }
  });
}

export async function serverInfo(url: string): Promise<ServerInfo> {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS postgres,
              (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescale`,
    );
    return { postgres: rows[0].postgres, timescale: rows[0].timescale ?? undefined };
  });
}
