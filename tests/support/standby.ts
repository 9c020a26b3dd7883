import { cp, rm, writeFile } from 'node:fs/promises';
import { withClient } from '@usage/db/connection/client.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../scripts/local/postgres.ts';
import { temporaryFolder } from './servers.ts';

/** Settings of a primary that is to have standbys. */
export const primarySettings = { wal_level: 'replica', max_wal_senders: 8, wal_keep_size: '256MB' };

/** A streaming standby of the primary, made from a base backup while that runs; up to date when this resolves. */
export async function startStandby(
  primary: LocalPostgres,
  name: string,
  settings: Record<string, string | number> = {},
): Promise<LocalPostgres> {
  const folder = await temporaryFolder('usage-test-standby-');
  const data = `${folder}/data`;
  await copyData(primary, data);
  const { username, password, port } = new URL(primary.url);
  const standby = await startPostgres({
    folder: data,
    logFile: `${folder}/postgres.log`,
    password,
    port: await freePort(),
    throwAway: folder,
    timescale: primary.timescale !== undefined,
    settings: {
      ...primarySettings,
      primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=${name}`,
      wal_receiver_status_interval: '1s',
      wal_retrieve_retry_interval: '100ms',
      ...settings,
    },
  });
  return standby;
}

/** By PostgreSQL's own functions: pg_basebackup isn't everywhere. One session has to hold the backup open. */
async function copyData(primary: LocalPostgres, folder: string): Promise<void> {
  await withClient(primary.url, async (client) => {
    const { rows } = await client.query(
      "SELECT current_setting('server_version_num')::int >= 150000 AS is_new, current_setting('data_directory') AS data",
    );
    const { is_new: isNew, data } = rows[0];
    await client.query(
      `SELECT ${isNew ? "pg_backup_start('standby', true)" : "pg_start_backup('standby', true, false)"}`,
    );
    await cp(data, folder, { recursive: true });
    const stop = isNew ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
    const { rows: stopped } = await client.query(`SELECT labelfile FROM ${stop}`);
    await rm(`${folder}/postmaster.pid`, { force: true });
    await writeFile(`${folder}/backup_label`, stopped[0].labelfile);
    await writeFile(`${folder}/standby.signal`, '');
  });
}
