import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverInfo } from '../../db/connection/server.ts';
import { startErrorOf } from '../../db/connection/startError.ts';
import { describeTarget, parseDatabaseUrl } from '../../lib/service/databaseUrl.ts';
import { StartError } from '../../lib/service/startError.ts';
import { redisFault, redisStartError } from '../../lib/stream/startError.ts';
import { freePort, isPortFree } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/** A server the apps use: started here, or somebody's whose URL was given. */
export interface UsedServer {
  name: string;
  url: string;
  /** For people: version and where. */
  about: string;
  /** Resolves when a server of ours is gone; never for somebody else's. */
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

interface Remembered {
  password: string;
  postgresPort: number;
  redisPort: number;
}

const never = new Promise<never>(() => {});

/** Both, in the order of their start; none is left running when one of them can't start. */
export async function useServers(folder: string): Promise<{ postgres: UsedServer; redis: UsedServer }> {
  const remembered = await remember(folder);
  const redis = await useRedis(folder, remembered);
  try {
    return { redis, postgres: await usePostgres(folder, remembered) };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

/** PostgreSQL of DATABASE_URL, or our own with its data in the folder. */
async function usePostgres(folder: string, { password, postgresPort }: Remembered): Promise<UsedServer> {
  const given = process.env.DATABASE_URL;
  if (given) {
    const info = await serverInfo(given).catch((error) => {
      const reason = (error as Error).message || error.code;
      throw (
        startErrorOf(error, given) ??
        new StartError(
          `PostgreSQL does not answer at DATABASE_URL (${describeTarget(parseDatabaseUrl(given))}): ${reason}. Start it, correct the address, or leave DATABASE_URL empty for a server of this folder's own.`,
        )
      );
    });
    return {
      name: 'PostgreSQL',
      url: given,
      about: `${storageOf(info)} (DATABASE_URL)`,
      exited: never,
      stop: async () => {},
    };
  }
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    logFile: join(folder, 'logs/postgres.log'),
    port: postgresPort,
    password,
  });
  const about = `${storageOf(server)} on port ${postgresPort}, data in ${join(folder, 'postgres')}`;
  return { name: 'PostgreSQL', url: server.url, about, exited: server.exited, stop: server.stop };
}

/** Redis of REDIS_URL, or our own with its data in the folder. */
async function useRedis(folder: string, { redisPort }: Remembered): Promise<UsedServer> {
  const given = process.env.REDIS_URL;
  if (given) {
    const fault = await redisFault({ url: given, caFile: process.env.REDIS_CA_FILE || undefined });
    if (fault?.hopeless) throw redisStartError(fault.reason);
    if (fault) {
      throw new StartError(
        `Redis does not answer at REDIS_URL: ${fault.reason}. Start it, correct the address, or leave REDIS_URL empty for a server of this folder's own.`,
      );
    }
    return { name: 'Redis', url: given, about: 'Redis (REDIS_URL)', exited: never, stop: async () => {} };
  }
  const server = await startRedis({
    folder: join(folder, 'redis'),
    logFile: join(folder, 'logs/redis.log'),
    port: redisPort,
  });
  const about = `Redis on port ${redisPort}, data in ${join(folder, 'redis')}`;
  return { name: 'Redis', url: server.url, about, exited: server.exited, stop: server.stop };
}

function storageOf({ postgres, timescale }: { postgres: string; timescale: string | undefined }): string {
  return `PostgreSQL ${postgres} ${timescale ? `with TimescaleDB ${timescale}` : 'with native partitions'}`;
}

/** The same ports at every start, as long as nobody else took them, and the password of the first. */
async function remember(folder: string): Promise<Remembered> {
  const file = join(folder, 'local.json');
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const known = JSON.parse(text) as Partial<Remembered>;
  const port = async (wished?: number) =>
    wished && (await isPortFree(wished, '127.0.0.1')) ? wished : await freePort();
  const remembered = {
    password: known.password ?? crypto.randomUUID(),
    postgresPort: await port(known.postgresPort),
    redisPort: await port(known.redisPort),
  };
  await writeFile(file, `${JSON.stringify(remembered, null, 2)}\n`, { mode: 0o600 });
  return remembered;
}
