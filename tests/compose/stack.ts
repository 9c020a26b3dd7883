import { join } from 'node:path';
import { freePort } from '../../scripts/local/ports.ts';

/** The stack of compose.yaml, run for real under a project of its own, on free ports of 127.0.0.1. */
export const root = join(import.meta.dirname, '../..');
const commandMsMax = 600_000;
const pollMs = 250;

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export class Stack {
  private constructor(
    readonly project: string,
    readonly compose: readonly string[],
    readonly env: Record<string, string>,
    readonly apiUrl: string,
    readonly queryUrl: string,
    readonly nginxUrl: string,
    readonly prometheusUrl: string,
    readonly lokiUrl: string,
  ) {}

  /** Settings go over the ones that keep it apart from everything else on the machine. */
  static async create(project = 'usage-prove', settings: Record<string, string> = {}): Promise<Stack> {
    const names = ['API', 'QUERY', 'POSTGRES', 'REDIS', 'NGINX', 'PROMETHEUS', 'GRAFANA', 'LOKI'];
    const ports = Object.fromEntries(
      await Promise.all(names.map(async (name) => [`${name}_PORT`, `${await freePort()}`] as const)),
    );
    const url = (name: string) => `http://127.0.0.1:${ports[`${name}_PORT`]}`;
    const hasPlugin = (await run(['docker', 'compose', 'version'])).code === 0;
    const env = {
      ...ports,
      COMPOSE_PROJECT_NAME: project,
      NGINX_BIND_ADDRESS: '127.0.0.1',
      POSTGRES_SHARED_BUFFERS: '512MB',
      ...settings,
    };
    return new Stack(
      project,
      hasPlugin ? ['docker', 'compose'] : ['docker-compose'],
      env,
      url('API'),
      url('QUERY'),
      url('NGINX'),
      url('PROMETHEUS'),
      url('LOKI'),
    );
  }

  /** Throws with the output when it fails. */
  async must(args: readonly string[], env: Record<string, string> = {}): Promise<Output> {
    return mustRun([...this.compose, ...args], { ...this.env, ...env });
  }

  script(name: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Output> {
    return mustRun([join(root, 'docker', name), ...args], { ...this.env, ...env });
  }

  async containers(service: string): Promise<string[]> {
    const { stdout } = await run([
      'docker',
      'ps',
      '-q',
      '--filter',
      `label=com.docker.compose.project=${this.project}`,
      '--filter',
      `label=com.docker.compose.service=${service}`,
      '--filter',
      'label=com.docker.compose.oneoff=False',
    ]);
    return stdout.split('\n').filter(Boolean);
  }

  /** Of every running container of the project: [service, health]. */
  async health(): Promise<[string, string][]> {
    const { stdout } = await run([
      'docker',
      'ps',
      '--filter',
      `label=com.docker.compose.project=${this.project}`,
      '--format',
      '{{.Label "com.docker.compose.service"}} {{.Status}}',
    ]);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => [line.split(' ')[0]!, /\((.*?)\)/.exec(line)?.[1] ?? 'no health check']);
  }

  /** Waits until each service has so many containers, all healthy. */
  async waitHealthy(replicas: Record<string, number>, msMax = 180_000): Promise<void> {
    await waitUntil(`healthy: ${JSON.stringify(replicas)}`, msMax, async () => {
      const health = await this.health();
      return Object.entries(replicas).every(([service, count]) => {
        const of = health.filter(([name]) => name === service);
        return of.length === count && of.every(([, state]) => state === 'healthy');
      });
    });
  }

  /** kill -9 of the server inside the container, as the kernel would: Docker starts it again by its restart policy. */
  async crash(service: string): Promise<string> {
    const [container] = await this.containers(service);
    const kill: Record<string, string[]> = {
      redis: ['sh', '-c', 'kill -9 $(pidof redis-server)'],
      postgres: ['sh', '-c', 'kill -9 $(head -1 $PGDATA/postmaster.pid)'],
    };
    const user = service === 'postgres' ? ['--user', 'postgres'] : [];
    await run([
      'docker',
      'exec',
      ...user,
      container!,
      ...(kill[service] ?? ['bun', '-e', signalApp('SIGKILL')]),
    ]);
    return container!;
  }

  /** To the app's process in each of the service's containers. */
  async signal(service: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    for (const container of await this.containers(service))
      await mustRun(['docker', 'exec', container, 'bun', '-e', signalApp(signal)]);
  }

  async psql(text: string): Promise<string> {
    const psql = ['psql', '-XqAt', '-U', 'usage_user', '-d', 'usage_tracking', '-c', text];
    const [container] = await this.containers('postgres');
    return (await mustRun(['docker', 'exec', container!, ...psql])).stdout.trim();
  }

  async down(): Promise<void> {
    await this.must([
      '--profile',
      'production',
      '--profile',
      'monitoring',
      'down',
      '-v',
      '--remove-orphans',
      '-t',
      '5',
    ]);
  }
}

/** The child of the container's init is the app. */
const signalApp = (signal: string) => `
for (const pid of require('fs').readdirSync('/proc').filter(Number)) {
  const stat = require('fs').readFileSync('/proc/' + pid + '/stat', 'utf8');
  if (stat.split(') ')[1].split(' ')[1] === '1' && Number(pid) !== process.pid) process.kill(Number(pid), '${signal}');
}`;

export async function run(
  command: readonly string[],
  env: Record<string, string> = {},
  msMax = commandMsMax,
): Promise<Output> {
  const child = Bun.spawn([...command], {
    cwd: root,
    env: { ...process.env, ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: msMax,
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, stdout, stderr };
}

export async function mustRun(command: readonly string[], env: Record<string, string> = {}): Promise<Output> {
  const output = await run(command, env);
  if (output.code !== 0)
    throw new Error(
      `${command.join(' ')} ended with ${output.code}\n${output.stdout.slice(-2_000)}\n${output.stderr.slice(-4_000)}`,
    );
  return output;
}

export async function waitUntil(what: string, msMax: number, reached: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await reached().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`waited ${msMax / 1_000} s for: ${what}`);
    await Bun.sleep(pollMs);
  }
}
