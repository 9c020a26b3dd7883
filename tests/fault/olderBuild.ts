import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from './git.ts';

/** Without a tag, so many commits ago. */
const commitsBack = 30;
const root = join(import.meta.dirname, '../..');

/**
 * The build before this one: USAGE_OLD_BUILD (a commit), else the release tag before HEAD, else a commit of a while ago.
 * Undefined where the history does not reach back so far.
 */
function olderCommit(): string | undefined {
  const wanted = process.env.USAGE_OLD_BUILD;
  if (wanted) return commitOf(wanted);
  const tag = git('describe', '--tags', '--abbrev=0', 'HEAD~1');
  return commitOf(tag || `HEAD~${commitsBack}`);
}

function commitOf(name: string): string | undefined {
  return git('rev-parse', '--short', '--verify', '--quiet', `${name}^{commit}`) || undefined;
}

/** Why there is no older build to upgrade from; undefined where there is one. */
export function olderBuildHindrance(): string | undefined {
  const commit = olderCommit();
  if (!commit)
    return 'the build before this one is not in the history (no git, no repository, or a shallow clone)';
  const gone = git(
    'diff',
    '--name-only',
    '--no-renames',
    '--diff-filter=D',
    commit,
    'HEAD',
    '--',
    'db/migrations',
  );
  return gone ? `migrations that ${commit} ran are gone: ${gone}` : undefined;
}

/** Its files with packages of their own, made once; where they are, and which commit it is. */
export async function olderBuild(): Promise<{ folder: string; commit: string }> {
  const commit = olderCommit()!;
  const folder = join(root, '.data/builds', commit);
  if (existsSync(folder)) return { folder, commit };
  const unfinished = `${folder}-${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const files = run(['git', '-C', root, 'archive', '--format=tar', commit]);
  run(['tar', '-x', '-C', unfinished], files);
  run([process.execPath, 'install', '--cwd', unfinished, '--frozen-lockfile']);
  await rename(unfinished, folder);
  return { folder, commit };
}

function run(command: string[], stdin?: Buffer): Buffer {
  const { success, stdout, stderr } = Bun.spawnSync(command, stdin ? { stdin } : {});
  if (!success) throw new Error(`${command.join(' ')}: ${stderr.toString().trim()}`);
  return stdout;
}
