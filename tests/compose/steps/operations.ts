import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../ledger.ts';
import { mustRun, run, type Stack } from '../stack.ts';
import { described } from './faults.ts';
import { apps, healthyAll, metricOf, seconds } from './start.ts';

const logLineLengthMax = 16_384;
const readMsMax = 20_000;

/** New image tags for every app, replaced under load: not one request may fail, reads included. */
export async function rollingUpdate(stack: Stack, ledger: Ledger): Promise<string> {
  for (const app of [...apps, 'migrate', 'entry'])
    await mustRun(['docker', 'tag', `usage/${app}:local`, `usage/${app}:next`]);
  const before = await Promise.all(apps.map((app) => stack.containers(app)));
  const load = ledger.load({ url: stack.nginxUrl });
  const reads = readUntilStopped(`${stack.nginxUrl}/api/v1/meters/tokens/query?windowSize=HOUR`);
  const startedMs = performance.now();
  const { stdout } = await stack.script('rolling-update.sh', [], { USAGE_VERSION: 'next' });
  const tookMs = performance.now() - startedMs;
  const reconciliation = await ledger.close(load);
  const read = await reads.stop();
  const after = await Promise.all(apps.map((app) => stack.containers(app)));
  if (before.flat().some((id) => after.flat().includes(id))) throw new Error('a container was not replaced');
  for (const id of after.flat()) {
    const image = (await mustRun(['docker', 'inspect', '--format', '{{.Config.Image}}', id])).stdout.trim();
    if (!image.endsWith(':next')) throw new Error(`${id} runs ${image}`);
  }
  if (reconciliation.failures.size > 0) throw new Error(`requests failed: ${described(reconciliation)}`);
  if (read.failed.length > 0) throw new Error(`reads failed: ${read.failed.slice(0, 5).join(', ')}`);
  return `${stdout.trim().split('\n').join('; ')}; in ${seconds(tookMs)}; ${described(reconciliation)}; ${read.count} reads, none failed; ${await ledger.balance()}`;
}

function readUntilStopped(url: string) {
  let stopping = false;
  const outcome = { count: 0, failed: [] as string[] };
  const done = (async () => {
    while (!stopping) {
      const status = await fetch(url, { signal: AbortSignal.timeout(readMsMax) }).then(
        async (response) => {
          await response.text();
          return response.status;
        },
        (error: Error) => error.message,
      );
      outcome.count++;
      if (status !== 200) outcome.failed.push(`${status}`);
      await Bun.sleep(20);
    }
    return outcome;
  })();
  return {
    stop() {
      stopping = true;
      return done;
    },
  };
}

/** Backup with events still in the stream, wipe, restore: the same answers, and what waited is stored once. */
export async function backupAndRestore(stack: Stack, ledger: Ledger): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'usage-backup-'));
  const backup = join(folder, 'backup');
  try {
    const stored = ledger.load({ url: stack.apiUrl });
    await Bun.sleep(2_000);
    await ledger.close(stored);
    await ledger.balance();
    await stack.must(['stop', 'event_processor']);
    const load = ledger.load({ url: stack.apiUrl });
    await Bun.sleep(1_000);
    const waiting = await ledger.close(load);
    const before = await answers(stack);
    const { stdout } = await stack.script('backup.sh', [backup]);

    await stack.down();
    const restored = await stack.script('restore.sh', [backup]);
    const withoutProcessor = [
      'query_service',
      'api_gateway',
      'aggregation_service',
      'limits_service',
      'entry',
    ];
    await stack.must(['up', '-d', '--no-build', ...withoutProcessor]);
    await stack.waitHealthy({ ...healthyAll, event_processor: 0 });
    const after = await answers(stack);
    if (!Bun.deepEquals(before, after))
      throw new Error(`answers differ:\n${JSON.stringify(before)}\n${JSON.stringify(after)}`);

    await stack.must(['up', '-d', '--no-build']);
    await stack.waitHealthy(healthyAll);
    const balance = await ledger.balance();
    const lines = `${stdout}\n${restored.stdout}`.trim().split('\n').join('; ');
    return `${lines}; ${before.length} answers are the same; then the ${waiting.events} events that waited in the stream: ${balance}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function answers(stack: Stack): Promise<string[]> {
  const windows = '&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z';
  const paths = [
    '/api/v1/meters',
    '/api/v1/meters/tokens/query?groupBy=subject&groupBy=model',
    '/api/v1/meters/events/query?windowSize=HOUR&groupBy=subject',
    `/api/v1/meters/tokens/query?windowSize=DAY&windowTimeZone=Asia/Kathmandu${windows}`,
    '/api/v1/meters/tokens/subjects',
    '/api/v1/events?limit=100',
  ];
  return Promise.all(
    paths.map(async (path) => (await fetch(stack.queryUrl + path, { keepalive: false })).text()),
  ).then((texts) => texts.map((text, index) => (index === 0 ? String(text.length > 0) : text)));
}

/** One gateway and one processor with half a processor each: what goes through, and how much memory it takes. */
export async function limitsHold(stack: Stack, ledger: Ledger): Promise<string> {
  await stack.must(['up', '-d', '--no-build', '--scale', 'api_gateway=1', '--scale', 'event_processor=1']);
  await stack.waitHealthy(healthyAll);
  const load = ledger.load({ url: stack.apiUrl, eventsPerRequest: 500, senders: 4, pauseMs: 0 });
  const startedMs = performance.now();
  let memory = new Map<string, string>();
  while (performance.now() - startedMs < 10_000) memory = await usage(stack);
  const reconciliation = await ledger.close(load);
  const acceptedMs = performance.now() - startedMs;
  const [lag] = await metricOf(stack, 'api_gateway', 8000, 'usage_stream_events');
  const balance = await ledger.balance();
  const storedMs = performance.now() - startedMs;
  const killed = await outOfMemory(stack);
  if (killed.length > 0) throw new Error(`out of memory: ${killed.join(', ')}`);
  await logLinesAreShort(stack);
  const rate = (ms: number) => Math.round((reconciliation.events / ms) * 1_000).toLocaleString('en');
  return `${described(reconciliation)}: ${rate(acceptedMs)} events/s accepted, ${rate(storedMs)} stored and answered (${lag} waited at the end); ${[...memory].map(([name, of]) => `${name} ${of}`).join(', ')}; ${balance}`;
}

/** Slow statements are logged; the thousands of identities of a batch that they look for are not. */
async function logLinesAreShort(stack: Stack): Promise<void> {
  for (const service of [...apps, 'postgres']) {
    const { stdout, stderr } = await mustRun(['docker', 'logs', (await stack.containers(service))[0]!]);
    const longest = Math.max(...`${stdout}\n${stderr}`.split('\n').map((line) => line.length));
    if (longest > logLineLengthMax) throw new Error(`${service} logs lines of ${longest} characters`);
  }
}

async function usage(stack: Stack): Promise<Map<string, string>> {
  const ids = (await Promise.all(apps.map((app) => stack.containers(app)))).flat();
  const format = '{{.Name}} {{.CPUPerc}} {{.MemUsage}}';
  const { stdout } = await run(['docker', 'stats', '--no-stream', '--format', format, ...ids]);
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0]!, line.split(' ').slice(1).join(' ')] as const),
  );
}

async function outOfMemory(stack: Stack): Promise<string[]> {
  const ids = (await Promise.all(apps.map((app) => stack.containers(app)))).flat();
  const { stdout } = await mustRun([
    'docker',
    'inspect',
    '--format',
    '{{.Name}} {{.State.OOMKilled}} {{.RestartCount}}',
    ...ids,
  ]);
  return stdout
    .trim()
    .split('\n')
    .filter((line) => !line.endsWith('false 0'));
}
