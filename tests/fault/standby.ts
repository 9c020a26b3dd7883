import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres, { type ReservedSql } from 'postgres';
import { freePort } from '../../scripts/local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../scripts/local/postgres.ts';
import { TcpProxy } from './proxy.ts';
import type { Stack } from './stack.ts';

/** Of a primary that has standbys. */
export const primarySettings = {
  wal_level: 'replica',
  max_wal_senders: 4,
  wal_keep_size: '1GB',
  hot_standby: 'on',
};
const catchUpMsMax = 30_000;
const pollMs = 20;

/**
 * An asynchronous streaming standby of a stack's PostgreSQL, made from a base backup while the primary runs. Cut off, it
 * stays as it was at that moment; promoted, it takes the primary's place behind the stack's proxy.
 */
export class Standby {
  private constructor(
    readonly stack: Stack,
    readonly server: LocalPostgres,
    readonly sql: postgres.Sql,
    readonly link: TcpProxy,
  ) {}

  static async start(stack: Stack): Promise<Standby> {
    const link = new TcpProxy(await freePort(), stack.ports.postgres);
    const folder = join(stack.folder, 'standby');
    await copyPrimary(stack, folder);
    const { username, password } = new URL(stack.postgres.url);
    const server = await startPostgres({
      folder,
      logFile: join(stack.folder, 'logs/standby.log'),
      password: 'usage_password',
      timescale: stack.postgres.timescale !== undefined,
      settings: {
        ...stack.postgresSettings,
        primary_conninfo: `host=127.0.0.1 port=${link.port} user=${username} password=${password}`,
        wal_receiver_status_interval: '1s',
        wal_retrieve_retry_interval: '100ms',
      },
    });
    const sql = postgres(server.url, {
      max: 2,
      onnotice: () => {},
      connection: { application_name: 'fault suite standby' },
    });
    const standby = new Standby(stack, server, sql, link);
    await standby.#caughtUp();
    return standby;
  }

  /** From now on it lags: what is committed is not seen there any more. */
  async cutOff(): Promise<void> {
    await this.#caughtUp();
    this.link.close();
    await until('the standby is cut off', async () => {
      const [row] = await this.sql`SELECT count(*)::int AS receivers FROM pg_stat_wal_receiver`;
      return row!.receivers === 0;
    });
  }

  /** The primary dies, and the apps find this server under its address. */
  async takeOver(): Promise<void> {
    await this.stack.killPostgres('SIGKILL');
    await this.sql`SELECT pg_promote(true, 60)`;
    await this.sql.end({ timeout: 1 });
    await this.stack.usePostgres(this.server);
  }

  async #caughtUp(): Promise<void> {
    const [primary] = await this.stack.sql<{ lsn: string }[]>`SELECT pg_current_wal_lsn()::text AS lsn`;
    await until('the standby has caught up', async () => {
      const [row] = await this.sql`
        SELECT coalesce(pg_last_wal_replay_lsn() >= ${primary!.lsn}::text::pg_lsn, false) AS there`;
      return row!.there;
    });
  }
}

/** A base backup by PostgreSQL's own functions: pg_basebackup isn't everywhere. One session has to hold it open. */
async function copyPrimary(stack: Stack, folder: string): Promise<void> {
  const session = (await stack.sql.reserve()) as ReservedSql<{ bigint: bigint }>;
  try {
    const [server] = await session<{ version: number; data: string }[]>`
      SELECT current_setting('server_version_num')::int AS version, current_setting('data_directory') AS data`;
    const isNew = server!.version >= 150_000;
    await session.unsafe(
      isNew ? `SELECT pg_backup_start('standby', true)` : `SELECT pg_start_backup('standby', true, false)`,
    );
    await cp(server!.data, folder, { recursive: true });
    const [backup] = await session.unsafe(
      isNew
        ? 'SELECT labelfile FROM pg_backup_stop(false)'
        : 'SELECT labelfile FROM pg_stop_backup(false, false)',
    );
    await rm(join(folder, 'postmaster.pid'), { force: true });
    await writeFile(join(folder, 'backup_label'), backup!.labelfile);
    await writeFile(join(folder, 'standby.signal'), '');
  } finally {
    session.release();
  }
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + catchUpMsMax;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited ${catchUpMsMax} ms until ${what}`);
    await Bun.sleep(pollMs);
  }
}
