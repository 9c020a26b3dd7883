import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parser as logql } from '@grafana/lezer-logql';
import { parser as promql } from '@prometheus-io/lezer-promql';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { Redis } from 'ioredis';
import { freePort } from '../../scripts/local/ports.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { type ExposedMetrics, prometheusOwn, scrape, targetLabels } from './exposedMetrics.ts';
import { alerts, panelQueries, type Query } from './panels.ts';
import { waitUntil } from './stack.ts';

/** Dashboards and alerts against the real apps: every metric and label that they name is there, every panel's SQL runs. */
let apps: RunningApps;
let urls: string[];
let sql: Sql;
let exposed: ExposedMetrics;
let folder: string;
let source: ReturnType<typeof spawnApp> | undefined;
const startMsMax = 60_000;
/** With keys, so that what is told about these is there as well. */
const adminKey = 'operator-of-the-monitoring-test-0123456789';
const authorization = { Authorization: `Bearer ${adminKey}` };

beforeAll(async () => {
  const [processor, aggregator, kafka] = await Promise.all([freePort(), freePort(), freePort()]);
  apps = await startApps({
    PROCESSOR_PORT: `${processor}`,
    AGGREGATOR_PORT: `${aggregator}`,
    AUTH: 'keys',
    ADMIN_API_KEY: adminKey,
  });
  await startKafkaSource(kafka);
  const unlisted = [processor, aggregator, kafka].map((port) => `http://127.0.0.1:${port}`);
  urls = [apps.url, apps.queryUrl, apps.limitsUrl, ...unlisted];
  sql = connect({ url: apps.database.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  await makeEverythingHappen();
  exposed = new Map([...(await scrape(urls)), ...prometheusOwn]);
}, startMsMax);
afterAll(async () => {
  await sql?.end();
  source?.kill('SIGTERM');
  await source?.exited;
  await rm(folder, { recursive: true, force: true });
  await apps?.stop();
}, startMsMax);

/** Without brokers: its metrics are there all the same. */
async function startKafkaSource(port: number): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'usage-monitoring-'));
  const mapping = join(folder, 'kafka.yaml');
  await Bun.write(mapping, 'topics: { usage: cloudevents }');
  const settings = { KAFKA_BROKERS: '127.0.0.1:1', KAFKA_MAPPING_FILE: mapping, KAFKA_PORT: `${port}` };
  source = spawnApp('kafka', { ...process.env, ...settings }, 'inherit');
  void new Response(source.stdout).text();
  const isUp = () => fetch(`http://127.0.0.1:${port}/health/live`).catch(() => undefined);
  while (!(await isUp())) await Bun.sleep(20);
}

test('every query of the dashboards and alerts parses and names only metrics and labels that the apps expose', async () => {
  const queries = [...(await panelQueries('prometheus')), ...(await alerts())];
  expect(queries.length).toBeGreaterThan(40);
  expect(queries.flatMap((query) => faultsOf(query).map((fault) => `${query.where}: ${fault}`))).toEqual([]);
});

test('a query that names what is not there is found', () => {
  const query = (text: string) => ({ where: '', text, shownLabels: ['reason'] });
  expect(faultsOf(query('sum by (reason) (rate(usage_events_lost_total[5m]))'))).toContain(
    'no metric usage_events_lost_total',
  );
  expect(faultsOf(query('usage_stream_frames{kind="x"}'))).toContain('usage_stream_frames has no label kind');
  expect(faultsOf(query('sum(usage_stream_frames'))).toContain('does not parse');
});

test('every query of the log dashboard parses', async () => {
  for (const { where, text } of await panelQueries('loki')) {
    let isWrong = false;
    logql.parse(text).iterate({
      enter: (node) => {
        isWrong ||= node.type.isError;
      },
    });
    expect(`${where} ${isWrong}`).toBe(`${where} false`);
  }
});

test("every panel's SQL runs, and reads only", async () => {
  const queries = await panelQueries('postgres');
  expect(queries.length).toBeGreaterThan(10);
  for (const { where, text } of queries) {
    const rows = await sql.begin('READ ONLY', (tx) => tx.unsafe(text)).catch((error) => `${where}: ${error}`);
    expect(rows).toBeArray();
  }
});

test('the panels show what was stored', async () => {
  const rowsOf = async (title: string) => {
    const { text } = (await panelQueries('postgres')).find(({ where }) => where.endsWith(title))!;
    return sql.unsafe(text);
  };
  expect((await rowsOf('Events stored in this time'))[0]?.stored).toBe(3n);
  expect(await rowsOf('Events by type')).toMatchObject([{ type: 'llm', events: 3n }]);
  expect(await rowsOf('the 20 subjects with most')).toMatchObject([{ subject: 'c1', usage: '42' }]);
});

test('every alert has its paragraph in the runbook', async () => {
  const runbook = await readFile(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
  for (const { name, runbook: link } of await alerts()) {
    expect(link).toBe(`docs/runbook.md#${name.toLowerCase()}`);
    expect(runbook).toContain(`\n## ${name}\n`);
  }
});

function faultsOf({ text, shownLabels }: Query): string[] {
  const faults: string[] = [];
  const metrics: string[] = [];
  const grouped: string[] = [];
  promql.parse(text).iterate({
    enter(node) {
      const at = text.slice(node.from, node.to);
      if (node.type.isError) faults.push('does not parse');
      if (node.name === 'VectorSelector') {
        const name = /^[\w:]+/.exec(at)?.[0] ?? '';
        metrics.push(name);
        const labels = exposed.get(name);
        if (!labels) faults.push(`no metric ${name}`);
        else {
          for (const label of matchedLabels(at))
            if (!labels.has(label) && !targetLabels.includes(label))
              faults.push(`${name} has no label ${label}`);
        }
      }
      if (node.name === 'LabelName' && node.node.parent?.name === 'GroupingLabels') grouped.push(at);
    },
  });
  const known = new Set([...targetLabels, ...metrics.flatMap((name) => [...(exposed.get(name) ?? [])])]);
  for (const label of [...grouped, ...shownLabels])
    if (!known.has(label)) faults.push(`none of its metrics has the label ${label}`);
  return faults;
}

function matchedLabels(selector: string): string[] {
  const braces = selector.indexOf('{');
  if (braces < 0) return [];
  return [...selector.slice(braces).matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"/g)].map(
    (m) => m[1]!,
  );
}

/** So that every metric with labels has a sample: stored, duplicate and dead events, rejections, queries, retries. */
async function makeEverythingHappen(): Promise<void> {
  const post = (path: string, body: unknown, type = 'application/cloudevents+json') =>
    fetch(`${apps.url}${path}`, {
      method: 'POST',
      headers: { ...authorization, 'Content-Type': type },
      body: JSON.stringify(body),
    });
  const event = (id: string) => ({
    specversion: '1.0',
    id,
    source: 's',
    type: 'llm',
    subject: 'c1',
    data: { tokens: 14 },
  });
  const meter = { slug: 'tokens', eventType: 'llm', aggregation: 'SUM', valueProperty: '$.tokens' };
  await post('/api/v1/meters', meter, 'application/json');
  for (const id of ['1', '2', '2']) await post('/api/v1/events', event(id));
  await post('/api/v1/events', { id: 'bad' });
  await waitForSample('usage_events_stored_total', (value) => value >= 2);

  const redis = new Redis(apps.redis.url);
  await redis.xadd('{usage}:events', '*', 'f', 'no frame', 'n', '1');
  redis.disconnect();
  await waitForSample('usage_dead_letters_total', (value) => value >= 1);

  await sql`ALTER TABLE batches RENAME TO batches_away`;
  await post('/api/v1/events', event('3'));
  await waitForSample('usage_batch_retries_total', (value) => value >= 1);
  await whileNothingIsMerged(async () => {
    await sql`ALTER TABLE batches_away RENAME TO batches`;
    await waitForSample('usage_events_stored_total', (value) => value >= 3);
    await fetch(`${apps.url}/api/v1/meters/tokens/query`, { headers: authorization });
  });

  await sql`ALTER TABLE deltas RENAME TO deltas_away`;
  await waitForSample('usage_aggregator_faults_total', (value) => value >= 1);
  await sql`ALTER TABLE deltas_away RENAME TO deltas`;
  await waitUntilMerged(3);
  await waitForSample('usage_database_connections', (value) => value >= 1);
  await fetch(`${apps.url}/api/v1/meters/tokens/query`, { headers: authorization });

  const make = async (path: string, body: unknown) =>
    (await (await post(path, body, 'application/json')).json()) as { id: string };
  await make('/api/v1/customers', { name: 'c1', key: 'c1' });
  await fetch(`${apps.url}/api/v1/customers/c1/access`, { headers: authorization });
  const hook = { type: 'WEBHOOK', name: 'nowhere', url: 'https://hook.invalid/' };
  const channel = await make('/api/v1/notification/channels', hook);
  const rule = { type: 'entitlements.reset', name: 'resets', channels: [channel.id] };
  await make(`/api/v1/notification/rules/${(await make('/api/v1/notification/rules', rule)).id}/test`, {});
  await waitForSample('usage_webhook_attempts_total', (value) => value >= 1);
}

/** What is stored meanwhile stays in the deltas: the rollups can be read and not written. */
async function whileNothingIsMerged(act: () => Promise<void>): Promise<void> {
  const holder = connect({
    url: apps.database.url,
    name: 'holder',
    connectionsMax: 1,
    statementMsMax: 10_000,
  });
  await holder.begin(async (tx) => {
    await tx`LOCK TABLE rollup_minutes, rollup_hours IN SHARE MODE`;
    await act();
  });
  await holder.end();
}

/** Of all the meter's events: so many are in the rollups. */
async function waitUntilMerged(events: number): Promise<void> {
  await waitUntil(`${events} events merged`, startMsMax / 3, async () => {
    const [row] = await sql`
      SELECT sum(r.count)::int AS events FROM rollup_hours r JOIN series s ON s.id = r.series_id WHERE s.subject = ''`;
    return row?.events === events;
  });
}

async function waitForSample(name: string, reached: (value: number) => boolean): Promise<void> {
  const deadline = performance.now() + startMsMax / 3;
  for (;;) {
    const texts = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
    const values = texts.flatMap((text) =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? ([\\d.e+]+)$`, 'gm'))].map((m) => Number(m[1])),
    );
    if (reached(values.reduce((sum, value) => sum + value, 0))) return;
    if (performance.now() > deadline)
      throw new Error(`${name} is ${values.join(', ') || 'not there'}\n${apps.logLines().join('\n')}`);
    await Bun.sleep(50);
  }
}
