import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientSource } from './stack.ts';

const root = join(clientSource, '../../..');

/** The package as `npm publish` builds it, in a folder of its own; throws what the compiler says. */
export async function buildClient(): Promise<string> {
  const dist = await mkdtemp(join(tmpdir(), 'usage-client-dist-'));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const project = join(clientSource, '../tsconfig.build.json');
  const build = Bun.spawnSync([tsc, '--project', project, '--outDir', dist], { cwd: root });
  if (build.exitCode !== 0) throw new Error(build.stdout.toString() + build.stderr.toString());
  await Bun.write(join(dist, 'package.json'), '{"type":"module"}');
  return dist;
}

const installMsMax = 180_000;

/** A runtime's program: on the PATH, else from the npm registry, once; else why there is none. */
export async function findRuntime(
  name: 'deno' | 'workerd',
  version: string,
): Promise<{ program: string } | { missing: string }> {
  const found = Bun.which(name);
  if (found) return { program: found };
  if (!Bun.which('npm')) return { missing: `there is neither ${name} nor npm to install it` };
  const folder = join(root, 'node_modules/.cache', `${name}-${version}`);
  const program = join(folder, 'node_modules/.bin', name);
  if (!(await Bun.file(program).exists())) {
    await Bun.write(join(folder, 'package.json'), '{"private":true}');
    const npm = Bun.spawn(
      ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`],
      {
        cwd: folder,
        stdout: 'ignore',
        stderr: 'pipe',
        timeout: installMsMax,
      },
    );
    const said = await new Response(npm.stderr).text();
    if ((await npm.exited) !== 0) return { missing: `npm could not install ${name}: ${said.slice(0, 300)}` };
  }
  const check = Bun.spawnSync([program, '--version']);
  if (check.exitCode !== 0)
    return { missing: `${name} does not run here: ${check.stderr.toString().slice(0, 300)}` };
  return { program };
}
