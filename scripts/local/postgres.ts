import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  createDatabaseIfMissing,
  createTimescaleIfOffered,
  isAccepting,
  type ServerInfo,
  serverInfo,
} from '../../db/connection/server.ts';
import { StartError } from '../../lib/service/startError.ts';
import { freePort } from './ports.ts';
import { findPostgres } from './postgresBinaries.ts';
import { postgresSettings, settingsFile } from './postgresSettings.ts';
import { startServer, stopServer, stopWithParent, waitUntilUp } from './server.ts';
import { unprivileged } from './unprivileged.ts';

export interface LocalPostgresOptions {
  /** Holds the data; made by initdb when it isn't there. */
  folder: string;
  logFile: string;
  password: string;
  port?: number;
  /** A folder that is removed when the server stops: its data may be lost in a power cut then. */
  throwAway?: string;
  /** False: plain PostgreSQL even where TimescaleDB is installed. */
  timescale?: boolean;
  /** Settings over the usual ones. */
  settings?: Record<string, string | number>;
}

export interface LocalPostgres extends ServerInfo {
  /** Of the database usage_tracking, as its owner (a superuser). */
  url: string;
  pid: number;
  /** Resolves when the server is gone, for whatever reason. */
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

const user = 'usage_user';
const database = 'usage_tracking';
/** After a crash the server replays up to max_wal_size before it answers. */
const upMsMax = 300_000;
const stopMsMax = 60_000;

/** PostgreSQL for this machine alone: initdb on the first start, then the server, the database and the extension. */
export async function startPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const someone = unprivileged();
  const found = await findPostgres({ timescale: options.timescale ?? true });
  const bin = await someone.binaries(found.bin);
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  await mkdir(dirname(options.logFile), { recursive: true });
  const folder = await someone.dataFolder(options.folder);
  const command = (name: string, ...rest: string[]) => [...someone.prefix, join(bin, name), ...rest];

  await initialise(folder, found.timescale, command, options);
  await stopLeftOver(folder);
  const port = options.port ?? (await freePort());
  const durable = options.throwAway === undefined;
  const walCompression = knowsLz4(command('postgres')) ? 'lz4' : 'off';
  const settings = postgresSettings({ port, timescale: found.timescale, walCompression, durable });
  await appendOnce(join(folder, 'postgresql.conf'), "include 'usage.conf'\n");
  await writeFile(join(folder, 'usage.conf'), settingsFile({ ...settings, ...options.settings }));

  const server = startServer(command('postgres', '-D', folder), options.logFile, folder);
  const keepWithParent = stopWithParent(server.process.pid, durable ? 'INT' : 'QUIT', options.throwAway);
  const urlOf = (name: string) => `postgres://${user}:${options.password}@127.0.0.1:${port}/${name}`;
  const stop = async () => {
    await stopServer(server, durable ? 'SIGINT' : 'SIGQUIT', stopMsMax);
    keepWithParent();
    if (options.throwAway) await rm(options.throwAway, { recursive: true, force: true });
  };
  try {
    await waitUntilUp('PostgreSQL', server, upMsMax, () => isAccepting(urlOf('postgres')));
    await createDatabaseIfMissing(urlOf('postgres'), database);
    if (found.timescale) await createTimescaleIfOffered(urlOf(database));
    const info = await serverInfo(urlOf(database));
    return { ...info, url: urlOf(database), pid: server.process.pid, exited: server.process.exited, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function initialise(
  folder: string,
  timescale: boolean,
  command: (name: string, ...rest: string[]) => string[],
  options: LocalPostgresOptions,
): Promise<void> {
  if (existsSync(join(folder, 'PG_VERSION'))) return checkVersion(folder, timescale, command);
  // Half an initdb (a crash) is begun anew: without PG_VERSION nothing in there can be anybody's data.
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
  // The C locale compares text by bytes: faster indexes, and an order that no library update changes.
  const args = [`--username=${user}`, '--auth=scram-sha-256', '--encoding=UTF8', '--no-locale'];
  if (options.throwAway) args.push('--no-sync');
  const run = Bun.spawn(command('initdb', '-D', folder, ...args, '--pwfile=/dev/stdin'), {
    stdin: new Blob([`${options.password}\n`]),
    stdout: 'pipe',
    stderr: 'pipe',
    cwd: folder,
  });
  const [, problem] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  if ((await run.exited) !== 0) throw new StartError(`initdb failed: ${problem.trim()}`);
  await writeFile(markFile(folder), timescale ? 'timescaledb' : 'plain');
}

/** Data of another major version, or made with TimescaleDB when that is gone, can't be opened. */
async function checkVersion(
  folder: string,
  timescale: boolean,
  command: (name: string, ...rest: string[]) => string[],
): Promise<void> {
  const dataVersion = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim();
  const version = Bun.spawnSync(command('postgres', '--version')).stdout.toString();
  const serverVersion = /\d+/.exec(version)?.[0];
  const madeWith = (await readFile(markFile(folder), 'utf8').catch(() => 'plain')).trim();
  if (dataVersion !== serverVersion || (madeWith === 'timescaledb' && !timescale)) {
    throw new StartError(
      `The data in ${folder} was made by PostgreSQL ${dataVersion}${madeWith === 'timescaledb' ? ' with TimescaleDB' : ''}, and this machine offers ${version.trim()}: install that again, or move the folder away to begin anew.`,
    );
  }
}

const markFile = (folder: string) => join(folder, 'usage-storage');

/** A server that outlived its starter (which guards against that) is asked to stop before a new one opens its data. */
async function stopLeftOver(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  if (!pid || !(await isPostgres(pid))) return;
  process.kill(pid, 'SIGINT');
  const deadline = performance.now() + stopMsMax;
  while ((await isPostgres(pid)) && performance.now() < deadline) await Bun.sleep(50);
}

async function isPostgres(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0')[0]?.endsWith('postgres') ?? false;
}

/**
 * Asked of a server that has nothing to open: it complains about the setting first where it doesn't know the value
 * (before PostgreSQL 15, and where it was built without lz4).
 */
function knowsLz4(postgres: string[]): boolean {
  const run = Bun.spawnSync([...postgres, '-D', dirname('/nowhere/data'), '-c', 'wal_compression=lz4']);
  return !run.stderr.toString().includes('wal_compression');
}

async function appendOnce(file: string, line: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (!text.includes(line)) await appendFile(file, line);
}
