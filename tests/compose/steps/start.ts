import { mustRun, run, type Stack } from '../stack.ts';

export const apps = [
  'api_gateway',
  'event_processor',
  'query_service',
  'aggregation_service',
  'limits_service',
];
export const healthyAll = {
  postgres: 1,
  redis: 1,
  api_gateway: 1,
  event_processor: 1,
  query_service: 1,
  aggregation_service: 1,
  limits_service: 1,
  entry: 1,
};

export async function configIsValid(stack: Stack): Promise<string> {
  const profiles = [[], ['production'], ['monitoring'], ['production', 'monitoring']];
  const files = [['compose.yaml'], ['compose.yaml', 'compose.dev.yaml']];
  const commands = [stack.compose];
  if (stack.compose.length > 1 && Bun.which('docker-compose')) commands.push(['docker-compose']);
  for (const command of commands)
    for (const names of profiles)
      for (const file of files)
        await mustRun(
          [
            ...command,
            ...file.flatMap((name) => ['-f', name]),
            ...names.flatMap((n) => ['--profile', n]),
            'config',
            '-q',
          ],
          stack.env,
        );
  return `${profiles.length * files.length} combinations, by ${commands.map((it) => it.join(' ')).join(' and ')}`;
}

/** BuildKit is asked for nothing that the classic builder lacks; the second build finds the dependencies in the cache. */
export async function build(stack: Stack): Promise<string> {
  const env = await builder(stack);
  const firstMs = performance.now();
  await stack.must(['build'], env);
  const secondMs = performance.now();
  const second = await stack.must(['build'], env);
  const doneMs = performance.now();
  if (/Resolving dependencies|installed \d+ packages|packages installed/.test(second.stdout + second.stderr))
    throw new Error('the second build installed the dependencies again');
  const { stdout } = await mustRun([
    'docker',
    'images',
    '--format',
    '{{.Repository}} {{.Size}}',
    '--filter',
    'reference=usage/*',
  ]);
  return `${seconds(secondMs - firstMs)}, again without changes ${seconds(doneMs - secondMs)}; ${[...new Set(stdout.trim().split('\n'))].sort().join(', ')}`;
}

/** Without the buildx plugin `docker compose` has the engine's classic builder build. */
async function builder(stack: Stack): Promise<Record<string, string>> {
  const hasBuildx = (await run(['docker', 'buildx', 'version'])).code === 0;
  return stack.compose[0] === 'docker' && !hasBuildx ? { DOCKER_BUILDKIT: '0' } : {};
}

export async function upFromNothing(stack: Stack): Promise<string> {
  const startedMs = performance.now();
  await stack.must(['up', '-d', '--no-build']);
  await stack.waitHealthy(healthyAll);
  const healthyMs = performance.now();
  const { stdout } = await run([
    'docker',
    'ps',
    '-aq',
    '--filter',
    `label=com.docker.compose.project=${stack.project}`,
    '--filter',
    'label=com.docker.compose.service=migrate',
  ]);
  const migrate = await mustRun(['docker', 'inspect', '--format', '{{.State.ExitCode}}', stdout.trim()]);
  if (migrate.stdout.trim() !== '0') throw new Error('migrate failed');
  return `every service healthy after ${seconds(healthyMs - startedMs)}`;
}

/** The meters that the ledger asks. */
export async function makeMeters(stack: Stack): Promise<string> {
  const meters = [
    { slug: 'events', eventType: 'prompt', aggregation: 'COUNT' },
    {
      slug: 'tokens',
      eventType: 'prompt',
      aggregation: 'SUM',
      valueProperty: '$.tokens',
      groupBy: { model: '$.model' },
    },
  ];
  for (const meter of meters) {
    const response = await fetch(`${stack.apiUrl}/api/v1/meters`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(meter),
    });
    if (response.status !== 201)
      throw new Error(`meter ${meter.slug}: ${response.status} ${await response.text()}`);
  }
  return meters.map(({ slug }) => slug).join(', ');
}

/** What compose.yaml promises of every container, asked of the engine. */
export async function containersAreLockedDown(stack: Stack): Promise<string> {
  const faults: string[] = [];
  let count = 0;
  for (const service of Object.keys(healthyAll)) {
    for (const id of await stack.containers(service)) {
      count++;
      const [container] = JSON.parse((await mustRun(['docker', 'inspect', id])).stdout) as Inspected[];
      const { HostConfig: host, Config: config } = container!;
      const expect = (what: string, holds: boolean) => {
        if (!holds) faults.push(`${service}: ${what}`);
      };
      expect('root file system is not read-only', host.ReadonlyRootfs);
      expect('capabilities are not dropped', host.CapDrop?.includes('ALL') ?? false);
      expect('new privileges are possible', host.SecurityOpt?.join().includes('no-new-privileges') ?? false);
      expect('no init', host.Init === true);
      expect('logs grow without bound', host.LogConfig.Config['max-size'] === '10m');
      expect('is not restarted', host.RestartPolicy.Name === 'unless-stopped');
      expect(
        'runs as root',
        service === 'postgres' || !['', 'root', '0'].includes(config.User.split(':')[0]!),
      );
      for (const ports of Object.values(host.PortBindings ?? {}))
        for (const { HostIp } of ports ?? []) expect(`published on ${HostIp}`, HostIp === '127.0.0.1');
      if (apps.includes(service)) {
        expect(`memory ${host.Memory}`, host.Memory === 512 * 1024 * 1024);
        expect(`processors ${host.NanoCpus}`, host.NanoCpus === 500_000_000);
        expect('publishes a port', Object.keys(host.PortBindings ?? {}).length === 0);
      }
    }
  }
  if (faults.length > 0) throw new Error(faults.join('; '));
  const server = await run([
    'docker',
    'exec',
    (await stack.containers('postgres'))[0]!,
    'stat',
    '-c',
    '%U',
    '/var/lib/postgresql/data/postmaster.pid',
  ]);
  return `${count} containers read-only, without capabilities; PostgreSQL runs as ${server.stdout.trim()}`;
}

interface Inspected {
  Config: { User: string };
  HostConfig: {
    ReadonlyRootfs: boolean;
    CapDrop: string[] | null;
    SecurityOpt: string[] | null;
    Init: boolean;
    LogConfig: { Config: Record<string, string> };
    RestartPolicy: { Name: string };
    PortBindings: Record<string, { HostIp: string }[] | null> | null;
    Memory: number;
    NanoCpus: number;
  };
}

/** Of each container of a service: the value of a metric, summed over its labels. */
export async function metricOf(
  stack: Stack,
  service: string,
  port: number,
  metric: string,
): Promise<number[]> {
  const read = `const text = await (await fetch('http://127.0.0.1:${port}/metrics')).text();
    console.log([...text.matchAll(/^${metric}(?:\\{.*\\})? (.+)$/gm)].reduce((sum, m) => sum + Number(m[1]), 0))`;
  return Promise.all(
    (await stack.containers(service)).map(async (id) =>
      Number((await mustRun(['docker', 'exec', id, 'bun', '-e', read])).stdout),
    ),
  );
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
