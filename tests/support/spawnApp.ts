import { join } from 'node:path';
import { stopWithParent } from '../../scripts/local/server.ts';

export type AppName = 'gateway' | 'query' | 'processor' | 'aggregator' | 'limits' | 'kafka';

const root = join(import.meta.dirname, '../..');

/** An app as a process of its own, with these settings and no others; it ends with this process, even by SIGKILL. */
export function spawnApp<Err extends 'pipe' | 'inherit'>(
  name: AppName,
  env: Record<string, string | undefined>,
  stderr: Err,
): Bun.Subprocess<'ignore', 'pipe', Err> {
  const child = Bun.spawn([process.execPath, `apps/${name}/main.ts`], {
    cwd: root,
    env,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr,
  });
  void child.exited.then(stopWithParent(child.pid, 'TERM'));
  return child;
}
