import { connect } from 'node:net';
import { alerts, panelQueries } from '../panels.ts';
import { mustRun, root, run, type Stack, waitUntil } from '../stack.ts';
import { apps, healthyAll, seconds } from './start.ts';

/** nginx: limits, headers, what is not for the world, and no way in without authentication. */
export async function nginxKeepsItsPromises(stack: Stack): Promise<string> {
  const faults: string[] = [];
  const expect = (what: string, holds: boolean) => {
    if (!holds) faults.push(what);
  };
  const ready = await fetch(`${stack.nginxUrl}/health/ready`);
  expect('ready', ready.status === 200);
  expect('no security headers', ready.headers.get('x-frame-options') === 'DENY');
  expect('nosniff twice', ready.headers.get('x-content-type-options') === 'nosniff');
  expect('server names itself', !/\d/.test(ready.headers.get('server') ?? ''));
  expect('metrics are public', (await fetch(`${stack.nginxUrl}/metrics`)).status === 404);
  const large = await fetch(`${stack.nginxUrl}/api/v1/events`, {
    method: 'POST',
    body: 'x'.repeat(9 * 1024 * 1024),
  });
  expect(`9 MB are answered ${large.status}`, large.status === 413);
  expect('413 is no problem+json', large.headers.get('content-type') === 'application/problem+json');
  const badLines = Buffer.from(`${JSON.stringify(badEvent)}\n`.repeat(lineCount));
  const stream = await fetch(`${stack.nginxUrl}/api/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson', Prefer: 'handling=lenient' },
    body: badLines,
  });
  const { rejected } = (await stream.json()) as { rejected?: number };
  expect(
    `a stream of ${badLines.length} bytes of lines: ${rejected} lines looked at`,
    rejected === lineCount,
  );
  const headers = await fetch(`${stack.nginxUrl}/api/v1/meters`, { headers: { 'X-A': 'a'.repeat(12_000) } });
  expect(`headers of 12 kB are answered ${headers.status}`, headers.status === 431);
  expect('431 is no problem+json', headers.headers.get('content-type') === 'application/problem+json');
  const host = await statusOf(
    stack.nginxUrl,
    'GET /api/v1/meters HTTP/1.1\r\nHost: localhost\\metrics?\r\n\r\n',
  );
  expect(`a Host that is none is answered ${host}`, host === 'HTTP/1.1 400 Bad Request');
  const bad = await fetch(`${stack.nginxUrl}/api/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/cloudevents+json' },
    body: '{}',
  });
  expect(`a bad event is answered ${bad.status}`, bad.status === 400);
  const page = await (await fetch(`${stack.nginxUrl}/swagger`)).text();
  expect("Swagger's page has inline scripts", !/<script(?![^>]*\bsrc=)[^>]*>[^<\s]/.test(page));

  const [nginx] = await stack.containers('nginx');
  await Bun.sleep(1_500); // the access log is flushed every second
  const { stdout } = await mustRun(['docker', 'logs', '--tail', '20', nginx!]);
  const lines = stdout.split('\n').filter(Boolean);
  expect('access log is no JSON', lines.length > 0 && lines.every((line) => isObject(line)));

  await opensToNobody(stack, expect);
  if (faults.length > 0) throw new Error(faults.join('; '));
  return '413 and 431 as problem+json, streams as long as they like, no false Host, security headers, JSON access log, no /metrics, refuses AUTH=off on all interfaces';
}

/** With AUTH=off neither nginx nor the entry shows anything to other machines; `up` fails and its log says how to go on. */
async function opensToNobody(stack: Stack, expect: (what: string, holds: boolean) => void): Promise<void> {
  for (const [service, variable] of [
    ['nginx', 'NGINX_BIND_ADDRESS'],
    ['entry', 'BIND_ADDRESS'],
  ] as const) {
    const open = await run(
      [
        ...stack.compose,
        '--profile',
        'production',
        'run',
        '--rm',
        '--no-deps',
        '-T',
        '-e',
        `${variable}=0.0.0.0`,
        service,
      ],
      stack.env,
      30_000,
    );
    expect(
      `${service} opens to all with AUTH=off`,
      open.code === 1 && /AUTH=off/.test(open.stdout + open.stderr),
    );
  }
  const up = ['--profile', 'production', 'up', '-d', '--no-build'];
  const scaled = ['--scale', 'api_gateway=3', '--scale', 'event_processor=2'];
  const refused = await run([...stack.compose, ...up, ...scaled], {
    ...stack.env,
    NGINX_BIND_ADDRESS: '0.0.0.0',
  });
  expect(
    'up succeeds with AUTH=off on all interfaces',
    refused.code !== 0 && /production_check/.test(refused.stderr),
  );
  const told = await stack.must(['--profile', 'production', 'logs', '--no-color', 'production_check']);
  expect('production_check does not say how to go on', /Put AUTH=keys and ADMIN_API_KEY/.test(told.stdout));
  await stack.must([...up, ...scaled]);
  await stack.waitHealthy({ ...healthyAll, api_gateway: 3, event_processor: 2, nginx: 1 });
  expect('nginx is not back', (await fetch(`${stack.nginxUrl}/health/ready`)).status === 200);
}

/** More than 8 MB of lines, of which nothing is kept. */
const lineCount = 80_000;
const badEvent = { specversion: '1.0', source: 'edges', data: { text: 'x'.repeat(80) } };

/** The status line of the answer to these bytes. */
function statusOf(url: string, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port || 80), hostname, () => socket.write(request));
  socket.once('data', (answer) => {
    resolve(answer.toString().split('\r\n', 1)[0]!);
    socket.destroy();
  });
  socket.once('error', reject);
  return promise;
}

function isObject(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

/** Prometheus alone (Grafana, Loki and Promtail where their images are there): targets, rules, every panel's expression. */
export async function monitoring(stack: Stack): Promise<string> {
  await stack.must(['--profile', 'monitoring', 'up', '-d', '--no-build', '--no-deps', 'prometheus']);
  const ask = async (path: string) =>
    // biome-ignore lint/suspicious/noExplicitAny: Prometheus' answers
    ((await (await fetch(`${stack.prometheusUrl}/api/v1/${path}`)).json()) as any).data;
  const startedMs = performance.now();
  let up: string[] = [];
  await waitUntil('every replica scraped', 90_000, async () => {
    const { activeTargets } = await ask('targets?state=active');
    up = activeTargets
      .filter((target: { health: string }) => target.health === 'up')
      .map((target: { labels: { job: string } }) => target.labels.job);
    const replicas = await Promise.all(apps.map(async (app) => (await stack.containers(app)).length));
    return apps.every((job, index) => up.filter((name) => name === job).length === replicas[index]);
  });
  const upMs = performance.now();
  const { groups } = await ask('rules');
  const rules = groups.flatMap((group: { rules: unknown[] }) => group.rules).length;
  const queries = [...(await panelQueries('prometheus')), ...(await alerts())];
  for (const { where, text } of queries) {
    const response = await fetch(`${stack.prometheusUrl}/api/v1/query?query=${encodeURIComponent(text)}`);
    if (response.status !== 200) throw new Error(`${where}: ${await response.text()}`);
  }
  const counts = [...new Set(up)].map((job) => `${job} ${up.filter((name) => name === job).length}`);
  const tested = await mustRun([
    ...['docker', 'run', '--rm', '-v', `${root}/docker/prometheus:/rules:ro`, '-w', '/rules'],
    ...['--entrypoint', 'promtool', 'prom/prometheus:v3.5.0', 'test', 'rules', 'alerts.test.yml'],
  ]);
  return `targets up after ${seconds(upMs - startedMs)}: ${counts.join(', ')}; ${rules} rules loaded; ${queries.length} expressions answered; promtool: ${tested.stdout.trim().split('\n').at(-1)!.trim()}`;
}

/** As usage_reader, the role of Grafana's datasource: it reads everything and can change nothing. */
export async function grafanaReads(stack: Stack): Promise<string> {
  const [postgres] = await stack.containers('postgres');
  const as = (text: string) =>
    run([
      'docker',
      'exec',
      '-e',
      'PGPASSWORD=usage_reader',
      postgres!,
      ...['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-U', 'usage_reader'],
      ...['-d', 'usage_tracking', '-c', text],
    ]);
  const queries = await panelQueries('postgres');
  for (const { where, text } of queries) {
    const { code, stderr } = await as(text);
    if (code !== 0) throw new Error(`${where}: ${stderr}`);
  }
  for (const text of ['DELETE FROM events', 'SET default_transaction_read_only = off; DROP TABLE events']) {
    const { code, stderr } = await as(text);
    if (code === 0 || !/read-only|permission denied|must be owner/.test(stderr))
      throw new Error(`usage_reader may: ${text}`);
  }
  return `${queries.length} panels' SQL runs as usage_reader, which can change nothing`;
}
