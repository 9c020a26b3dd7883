import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** What git says about this repository; undefined where it says no, or where there is no git or no repository. */
export function git(...args: string[]): string | undefined {
  if (!Bun.which('git')) return undefined;
  const { success, stdout } = Bun.spawnSync(['git', '-C', root, ...args], { stderr: 'ignore' });
  return success ? stdout.toString().trim() : undefined;
}
