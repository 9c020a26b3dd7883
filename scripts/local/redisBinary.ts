import { StartError } from '../../lib/service/startError.ts';

/** Path of redis-server; installs it with apt-get where it isn't there and that is allowed without asking. */
export async function redisBinary(): Promise<string> {
  const present = Bun.which('redis-server');
  if (present) return present;
  const asRoot = rootPrefix();
  if (!Bun.which('apt-get') || !asRoot) {
    throw new StartError(
      'Redis is not installed and there is no right to install it (neither root nor sudo without a password, with apt-get): install redis-server, or set REDIS_URL.',
    );
  }
  console.log('Installing Redis (apt-get install redis-server) …');
  if (!(await install(asRoot))) {
    await run([...asRoot, 'apt-get', '-qq', 'update']);
    if (!(await install(asRoot))) {
      throw new StartError(
        'Redis is not installed and apt-get could not install it (see above): install redis-server, or set REDIS_URL.',
      );
    }
  }
  const installed = Bun.which('redis-server', { PATH: `${process.env.PATH}:/usr/bin:/usr/local/bin` });
  if (!installed) throw new StartError('apt-get installed Redis, but redis-server is not on the PATH.');
  return installed;
}

function rootPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  if (Bun.which('sudo') && Bun.spawnSync(['sudo', '-n', 'true']).success) return ['sudo', '-n'];
  return undefined;
}

/**
 * policy-rc.d: the package would start a server of its own on port 6379, which nobody asked for. RUNLEVEL=1 tells
 * invoke-rc.d the same without touching the machine's files.
 */
async function install(asRoot: string[]): Promise<boolean> {
  return run([
    ...asRoot,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'RUNLEVEL=1',
    'apt-get',
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    'redis-server',
  ]);
}

async function run(command: string[]): Promise<boolean> {
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [output, problem] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) === 0) return true;
  console.error(`${output}${problem}`.trim().split('\n').slice(-5).join('\n'));
  return false;
}
