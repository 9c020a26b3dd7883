import { panelQueries } from '../panels.ts';
import { run, type Stack, waitUntil } from '../stack.ts';
import { healthyAll, seconds } from './start.ts';

const images = ['grafana/loki:2.9.0', 'grafana/promtail:2.9.0'];
const arrivedMsMax = 120_000;

/** Every container's log lines in Loki, labelled with service and level; the log dashboard's queries answer. */
export async function logsArrive(stack: Stack): Promise<string> {
  for (const image of images)
    if ((await run(['docker', 'image', 'inspect', image])).code !== 0)
      return `LEFT OUT, no image ${image}: only that the dashboard's queries parse is tested (monitoring.test.ts)`;
  const up = ['up', '-d', '--no-build', '--no-deps', 'loki', 'promtail'];
  await stack.must(['--profile', 'monitoring', ...up]);
  const startedMs = performance.now();
  await stack.waitHealthy({ loki: 1 });
  const wanted = [...Object.keys(healthyAll), 'migrate', 'nginx', 'prometheus'];
  let services: string[] = [];
  const missing = () => wanted.filter((service) => !services.includes(service));
  await waitUntil('logs of every container', arrivedMsMax, async () => {
    services = await ask<string[]>(stack, 'label/service/values');
    return missing().length === 0;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; none of ${missing().join(', ')}`);
  });
  const arrivedMs = performance.now() - startedMs;
  const levels = await ask<string[]>(stack, 'label/level/values');
  for (const level of ['info', 'unknown'])
    if (!levels.includes(level)) throw new Error(`no line of level ${level}: ${levels.join(', ')}`);

  const query = encodeURIComponent('{service="api_gateway", level="info"}');
  const { result } = await ask<{ result: { values: [string, string][] }[] }>(
    stack,
    `query_range?query=${query}&limit=5`,
  );
  const lines = result.flatMap(({ values }) => values.map(([, line]) => line));
  if (lines.length === 0 || !lines.every((line) => JSON.parse(line).service === 'gateway'))
    throw new Error(`not the gateway's lines: ${lines.join('\n')}`);
  const panels = await panelQueries('loki');
  for (const { text } of panels.filter(({ where }) => !where.includes('variable')))
    await ask(stack, `query_range?query=${encodeURIComponent(text)}&limit=5`);
  return `after ${seconds(arrivedMs)}: services ${services.join(', ')}; levels ${levels.join(', ')}; ${panels.length} queries of the dashboard answered`;
}

async function ask<T>(stack: Stack, path: string): Promise<T> {
  const response = await fetch(`${stack.lokiUrl}/loki/api/v1/${path}`);
  if (response.status !== 200) throw new Error(`Loki, ${path}: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { data: T }).data;
}
