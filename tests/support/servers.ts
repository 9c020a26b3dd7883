import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../scripts/local/postgres.ts';
import { type LocalRedis, startRedis } from '../../scripts/local/redis.ts';

/**
 * PostgreSQL for tests: DATABASE_URL where it is set (its user must be allowed to create databases), else a throw-away
 * server of this process, started by the first test that asks and gone with the process. `npm test` sets the variable.
 */
export function postgresUrl(): Promise<string> {
  started ??= process.env.DATABASE_URL ? Promise.resolve(process.env.DATABASE_URL) : startThrowAway();
  return started;
}

let started: Promise<string> | undefined;

async function startThrowAway(): Promise<string> {
  const { url } = await startTestPostgres();
  return url;
}

/** A PostgreSQL server of one test's own: one that may be killed, filled up or started without TimescaleDB. */
export async function startTestPostgres(
  options: { timescale?: boolean; settings?: Record<string, string | number> } = {},
) {
  const folder = await temporaryFolder('usage-test-postgres-');
  return startPostgres({
    folder: join(folder, 'data'),
    logFile: join(folder, 'postgres.log'),
    password: 'usage_password',
    throwAway: folder,
    ...options,
  });
}

/** A Redis server of one test file's own: takes some 20 ms to start, and may be flushed, filled or killed at will. */
export async function startTestRedis(settings: Record<string, string> = {}): Promise<LocalRedis> {
  const folder = await temporaryFolder('usage-test-redis-');
  return startRedis({
    folder: join(folder, 'data'),
    logFile: join(folder, 'redis.log'),
    throwAway: folder,
    settings,
  });
}

/** Others may enter it: started by root, PostgreSQL runs as another user. */
export async function temporaryFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await chmod(folder, 0o711);
  return folder;
}
