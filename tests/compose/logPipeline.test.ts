import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../scripts/local/ports.ts';
import { panelQueries } from './panels.ts';
import { root, waitUntil } from './stack.ts';

/** The real Loki and Promtail with the files that compose.yaml mounts, where both are on the PATH. */
const binaries = [Bun.which('loki'), Bun.which('promtail')];

const weekHours = 9 * 24;

/** What each server writes, and the level that a person means by it. */
const lines: [service: string, line: string, level: string][] = [
  [
    'api_gateway',
    '{"level":"warn","time":"2026-11-25T10:00:00.000Z","service":"gateway","msg":"slow \\"disk\\""}',
    'warn',
  ],
  ['api_gateway', '{"level":"info","service":"gateway","msg":"listening"}', 'info'],
  ['api_gateway', 'panic: something', 'unknown'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] LOG:  checkpoint starting: time', 'info'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] ERROR:  duplicate key value', 'error'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] processor FATAL:  password authentication failed', 'fatal'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] WARNING:  there is no transaction in progress', 'warn'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] PANIC:  could not write to file', 'fatal'],
  ['postgres', '2026-11-25 10:00:00.123 UTC [61] DEBUG2:  x', 'debug'],
  ['redis', '1:M 25 Nov 2026 10:00:00.123 # WARNING Memory overcommit must be enabled', 'warn'],
  ['redis', '1:M 25 Nov 2026 10:00:00.123 * Ready to accept connections', 'info'],
  ['redis', '1:C 25 Nov 2026 10:00:00.123 - Fork CoW', 'debug'],
  ['prometheus', 'ts=2026-11-25T10:00:00.1Z caller=main.go:1 level=warn msg="no targets"', 'warn'],
  ['prometheus', 'time=2026-11-25T10:00:00.1Z level=ERROR source=main.go:1 msg="x"', 'error'],
  ['grafana', 'logger=settings t=2026-11-25T10:00:00Z level=info msg="Starting Grafana"', 'info'],
  ['loki', 'level=error ts=2026-11-25T10:00:00Z caller=x.go msg="failed"', 'error'],
  ['nginx', '2026/11/25 10:00:00 [error] 22#22: *1 connect() failed', 'error'],
  ['nginx', '2026/11/25 10:00:00 [emerg] 1#1: host not found', 'fatal'],
];

describe.if(binaries.every(Boolean))('Promtail and Loki', () => {
  const children: Bun.Subprocess[] = [];
  let folder: string;
  let lokiUrl: string;
  let sent = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'usage-logs-'));
    const [http, grpc, promtail] = await Promise.all([freePort(), freePort(), freePort()]);
    lokiUrl = `http://127.0.0.1:${http}`;
    const changed = async (file: string, changes: [string, string][]) => {
      const text = await readFile(join(root, 'docker', file), 'utf8');
      return changes.reduce((all, [from, to]) => all.replaceAll(from, to), text);
    };
    const loki = await changed('loki/loki.yml', [
      ['/loki', join(folder, 'loki')],
      ['3100', `${http}`],
      ['9095', `${grpc}`],
    ]);
    const tail = await changed('promtail/promtail.yml', [
      ['http://loki:3100', lokiUrl],
      ['/promtail/positions', join(folder, 'positions')],
      ['/var/lib/docker', folder],
      ['9080', `${promtail}`],
    ]);
    await writeFile(join(folder, 'loki.yml'), loki);
    await writeFile(join(folder, 'promtail.yml'), tail);
    await writeLogs(folder, 'usage-one', 0);
    await writeLogs(folder, 'usage-two', 0);
    // Two hundred hours ago Loki of before would have refused it; three weeks ago it keeps nothing.
    await writeLogs(folder, 'usage-late', 200);
    await writeLogs(folder, 'usage-old', 21 * 24);
    sent = 3 * lines.length;
    const start = (at: number, ...args: string[]) =>
      children.push(
        Bun.spawn([binaries[at]!, ...args], {
          stdout: Bun.file(join(folder, `${at}.log`)),
          stderr: Bun.file(join(folder, `${at}.err`)),
        }),
      );
    start(0, `-config.file=${folder}/loki.yml`);
    await waitUntil(
      'Loki',
      60_000,
      async () => (await fetch(`${lokiUrl}/ready`).catch(() => null))?.ok === true,
    );
    start(1, `-config.file=${folder}/promtail.yml`);
    // What is older than hours is found once it is on disk: by itself within half an hour.
    await waitUntil('all lines', 90_000, async () => {
      await fetch(`${lokiUrl}/flush`, { method: 'POST' });
      return (await all('{job="containers"}', weekHours)).length >= sent;
    });
  }, 180_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map((child) => child.exited));
    await rm(folder, { recursive: true, force: true });
  });

  test('every line has the level that its server means, whatever its words, and no end of line', async () => {
    const found = await all('{job="containers", project="usage-one"}');
    const seen = found.map(({ labels, line }) => [labels.service, line, labels.level]);
    expect(seen.sort()).toEqual(lines.toSorted() as never);
  });

  test('two copies on one machine are told apart, and what Loki no longer keeps is left out', async () => {
    const counts = new Map<string, number>();
    for (const { labels } of await all('{job="containers"}', weekHours))
      counts.set(labels.project!, (counts.get(labels.project!) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      'usage-one': lines.length,
      'usage-two': lines.length,
      'usage-late': lines.length,
    });
  });

  test('every query of the dashboard is answered, also with a quotation mark in the text box', async () => {
    const queries = (await panelQueries('loki')).filter(({ where }) => !where.includes('variable'));
    expect(queries.length).toBeGreaterThan(3);
    for (const { text } of queries) expect(await status(text.replaceAll('``', '`"disk\\"`'))).toBe(200);
    // As it stands in the line: both copies' gateways wrote it.
    expect(await all('{job="containers", level=~"warn|error|fatal"} |= `"disk`')).toHaveLength(2);
  });

  const query = (text: string, hours: number) => {
    const start = (Date.now() - hours * 3_600_000) * 1e6;
    return fetch(
      `${lokiUrl}/loki/api/v1/query_range?query=${encodeURIComponent(text)}&limit=1000&start=${start}`,
    );
  };
  const status = async (text: string) =>
    (await fetch(`${lokiUrl}/loki/api/v1/query_range?query=${encodeURIComponent(text)}&limit=10`)).status;
  /** Short ranges: Loki splits a query into half hours. */
  const all = async (text: string, hours = 1) => {
    const answer = await query(text, hours);
    if (!answer.ok) throw new Error(await answer.text());
    const { data } = (await answer.json()) as {
      data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
    };
    return data.result.flatMap(({ stream, values }) => values.map(([, line]) => ({ labels: stream, line })));
  };
});

/** As Docker's json-file driver writes them: one file a container. */
async function writeLogs(folder: string, project: string, hoursAgo: number): Promise<void> {
  for (const service of new Set(lines.map(([name]) => name))) {
    const id = `${project}-${service}`;
    await mkdir(join(folder, 'containers', id), { recursive: true });
    const own = lines.filter(([name]) => name === service);
    const entries = own.map(([, line], n) =>
      JSON.stringify({
        log: `${line}\n`,
        stream: 'stdout',
        attrs: { 'com.docker.compose.project': project, 'com.docker.compose.service': service },
        time: new Date(Date.now() - hoursAgo * 3_600_000 + n).toISOString(),
      }),
    );
    await writeFile(join(folder, 'containers', id, `${id}-json.log`), `${entries.join('\n')}\n`);
  }
}
