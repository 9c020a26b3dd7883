import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../scripts/local/ports.ts';
import {
  type ServerProcess,
  startServer,
  stopServer,
  stopWithParent,
  waitUntilUp,
} from '../../scripts/local/server.ts';
import { grouped, type Progress } from '../report.ts';
import { countPoints, createDatabase, sumPoints } from '../sql/influx.ts';
import type { FileEvent } from './eventFile.ts';
import { folderBytes } from './folderBytes.ts';
import { type AnswerRow, answerMsMax, batchEvents, type Disk, type Peer, type PeerKind } from './peer.ts';
import { writeBatches } from './writing.ts';

const upMsMax = 120_000;
const stopMsMax = 60_000;
/** Shards are compacted after they haven't been written to for hours; the harness starts the server anew with this instead. */
const coldWhileSettling = '1s';
const coldByDefault = { snapshot: '10m', compaction: '4h' };
const settleMsMax = 600_000;
/** Compacted: no file has changed for so long. */
const standstillMs = 15_000;
const pollMs = 1_000;

/** InfluxDB 1.x: events as points, one measurement a type. */
export const influx: PeerKind = {
  name: 'InfluxDB 1.x',
  async missing() {
    return Bun.which('influxd') ? undefined : 'influxd is not installed: apt-get install influxdb';
  },
  open,
};

async function open(folder: string): Promise<Peer> {
  const version = /v[\d.]+\S*/.exec(Bun.spawnSync(['influxd', 'version']).stdout.toString())?.[0] ?? '1.x';
  let server = await start(folder, coldByDefault);
  await query(server.url, createDatabase, 'POST');
  return {
    facts: {
      name: `InfluxDB ${version.replace('v', '')}`,
      sentTwice:
        'overwritten if its series and nanosecond are the same, as are other events there: a point has no identity (the harness makes the nanoseconds of the id, so that none is lost); the same id with another time counts again',
      numbers: '64-bit integers, or doubles where a field began with one',
      acknowledged: 'in the write-ahead log, synced',
      answersFrom:
        'the points, so a meter made later costs nothing if its keys are tags; each combination of tags is a series in memory',
      writing: `over HTTP, line protocol, ${grouped(batchEvents)} points a request, 2 at once`,
      asking: 'InfluxQL over HTTP',
      settings:
        'defaults of its package (inmem index, shards of 7 days), without its own statistics and request log; started anew before it was asked, with cold durations of 1 s until it was compacted',
    },
    async write(file, progress) {
      const url = `${server.url}/write?db=usage&precision=ns`;
      const make = (events: FileEvent[]) => events.map(point).join('\n');
      const send = (body: string) => request(url, { method: 'POST', body });
      const { seconds } = await writeBatches(file, make, send, progress);
      return { seconds, events: await count(server.url) };
    },
    async settle(progress) {
      const [writtenBytes, walBytes] = await Promise.all([
        dataBytes(folder),
        folderBytes(join(folder, 'wal/usage')),
      ]);
      await server.stop();
      server = await start(folder, { snapshot: coldWhileSettling, compaction: coldWhileSettling });
      const settledBytes = await compacted(folder, progress);
      return { writtenBytes, walBytes, settledBytes } satisfies Disk;
    },
    async ask(question, n) {
      const of = question.raw(n);
      const answer = await query(server.url, sumPoints(of), 'GET');
      return (answer.results[0]?.series ?? []).flatMap(({ tags, values }) =>
        values.map(
          ([ms, value]): AnswerRow => ({
            windowMs: of.window ? ms : null,
            groups: of.groupBy.map((key) => tags![key]!),
            value,
          }),
        ),
      );
    },
    stop: () => server.stop(),
  };
}

/** What is grouped by or picked is a tag, everything else a field; the id is kept, as everybody else keeps it. */
const tagKeys = new Set(['model', 'direction', 'method', 'route', 'region', 'class']);
const numericText = new Set(['gigabytes']);

const nanosecondsPerMs = 1_000_000n;

function point({ id, source, type, subject, time, data }: FileEvent): string {
  let tags = `,source=${source},subject=${subject}`;
  let fields = `id="${id}"`;
  for (const [key, value] of Object.entries(data)) {
    if (tagKeys.has(key)) tags += `,${key}=${value}`;
    else fields += `,${key}=${value}${numericText.has(key) ? '' : 'i'}`;
  }
  const nanoseconds = BigInt(Bun.hash(id)) % nanosecondsPerMs;
  return `${type}${tags} ${fields} ${BigInt(Date.parse(time)) * nanosecondsPerMs + nanoseconds}`;
}

async function count(url: string): Promise<number> {
  const { results } = await query(url, countPoints, 'GET');
  return (results[0]?.series ?? []).reduce((sum, { values }) => sum + values[0]![1], 0);
}

interface InfluxAnswer {
  results: { series?: { tags?: Record<string, string>; values: [number, number][] }[]; error?: string }[];
}

async function query(url: string, q: string, method: 'GET' | 'POST'): Promise<InfluxAnswer> {
  const parameters = new URLSearchParams({ db: 'usage', epoch: 'ms', q });
  const response = await request(`${url}/query?${parameters}`, { method });
  const answer = (await response.json()) as InfluxAnswer;
  const error = answer.results.find((result) => result.error)?.error;
  if (error) throw new Error(`InfluxDB: ${error}`);
  return answer;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(answerMsMax) });
  if (!response.ok) throw new Error(`InfluxDB answered ${response.status}: ${await response.text()}`);
  if (response.status === 204) await response.arrayBuffer();
  return response;
}

async function start(folder: string, cold: { snapshot: string; compaction: string }) {
  await mkdir(folder, { recursive: true });
  const [port, rpcPort] = [await freePort(), await freePort()];
  const file = join(folder, 'influxdb.conf');
  const text = (value: string) => JSON.stringify(value);
  await writeFile(
    file,
    `reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
dir = ${text(join(folder, 'meta'))}
[data]
dir = ${text(join(folder, 'data'))}
wal-dir = ${text(join(folder, 'wal'))}
query-log-enabled = false
cache-snapshot-write-cold-duration = "${cold.snapshot}"
compact-full-write-cold-duration = "${cold.compaction}"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:${port}"
log-enabled = false
`,
  );
  const server: ServerProcess = startServer(
    ['influxd', '-config', file],
    join(folder, 'influxd.log'),
    folder,
  );
  const keepWithParent = stopWithParent(server.process.pid, 'TERM');
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    await stopServer(server, 'SIGTERM', stopMsMax);
    keepWithParent();
  };
  try {
    await waitUntilUp('InfluxDB', server, upMsMax, () =>
      fetch(`${url}/ping`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

const dataBytes = (folder: string) => folderBytes(join(folder, 'data/usage'));

/** Waits until the cache is written out and the files no longer change; resolves to their size. */
async function compacted(folder: string, progress: Progress): Promise<number> {
  const deadline = performance.now() + settleMsMax;
  let bytes = -1;
  let sinceMs = performance.now();
  for (;;) {
    const now = await dataBytes(folder);
    if (now !== bytes) sinceMs = performance.now();
    bytes = now;
    if (performance.now() - sinceMs > standstillMs) return bytes;
    if (performance.now() > deadline)
      throw new Error(`InfluxDB still compacts after ${settleMsMax / 1_000} s`);
    progress(`compacting: ${grouped(bytes / 1e6)} MB`);
    await Bun.sleep(pollMs);
  }
}
