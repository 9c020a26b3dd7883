import { cp, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StartError } from '../../lib/service/startError.ts';

/**
 * PostgreSQL refuses to run as root. `prefix` stands before its commands; `reach` returns a path like the given one
 * that the user behind the prefix may read and write.
 */
export interface Unprivileged {
  prefix: string[];
  /** The data folder to use in place of the wished one: the same wherever possible. */
  dataFolder(wished: string): Promise<string>;
  /** The folder of binaries, copied to where the user can reach it when need be. */
  binaries(bin: string): Promise<string>;
}

const asked = async (path: string) => path;
const fallbackFolder = '/var/lib/usage-tracking';

export function unprivileged(): Unprivileged {
  if (process.getuid?.() !== 0) return { prefix: [], dataFolder: asked, binaries: asked };

  // A user namespace in which root is somebody else: files stay root's, so that any folder can hold the data.
  const namespace = ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--'];
  if (succeeds([...namespace, 'true'])) return { prefix: namespace, dataFolder: asked, binaries: asked };

  // Containers mostly forbid namespaces: a user of the machine then, and a folder of that user's.
  const user = ['postgres', 'nobody'].find((name) => succeeds(['id', name]));
  if (!user || !Bun.which('setpriv')) {
    throw new StartError(
      'PostgreSQL does not run as root and there is no other user to run it as: start as an ordinary user, or set DATABASE_URL.',
    );
  }
  const group = Bun.spawnSync(['id', '-gn', user]).stdout.toString().trim();
  const prefix = ['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--'];
  const reaches = (path: string) => succeeds([...prefix, 'test', '-x', path]);
  const place = (path: string) => join(fallbackFolder, Bun.hash(path).toString(36), basename(path));
  return {
    prefix,
    async dataFolder(wished) {
      await mkdir(dirname(wished), { recursive: true });
      const folder = reaches(dirname(wished)) ? wished : place(wished);
      await mkdir(dirname(folder), { recursive: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (!succeeds(['chown', '-R', `${user}:${group}`, folder])) {
        throw new StartError(`The folder ${folder} can't be given to the user ${user}.`);
      }
      return folder;
    },
    async binaries(bin) {
      if (reaches(join(bin, 'postgres'))) return bin;
      const native = dirname(bin);
      const copy = place(native);
      await cp(native, copy, { recursive: true, force: false, verbatimSymlinks: true });
      return join(copy, basename(bin));
    },
  };
}

function succeeds(command: string[]): boolean {
  try {
    return Bun.spawnSync(command, { stdout: 'ignore', stderr: 'ignore' }).success;
  } catch {
    return false;
  }
}
