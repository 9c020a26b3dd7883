import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { LocalRedis } from '../../scripts/local/redis.ts';
import { eventText } from '../gateway/start.ts';
import { startTestRedis } from '../support/servers.ts';
import { spawnApp } from '../support/spawnApp.ts';

/** Of the gateway's container (compose.yaml). */
const memoryBytesMax = 512 * 1_048_576;
const bodyBytes = 8 * 1_048_576 - 1_000;
const clients = 200;
const msMax = 60_000;

let redis: LocalRedis;
let gateway: ReturnType<typeof spawnApp<'inherit'>>;
let port: number;

beforeAll(async () => {
  redis = await startTestRedis();
  const env = { PATH: process.env.PATH, REDIS_URL: redis.url, API_PORT: '0', AUTH: 'off' };
  gateway = spawnApp('gateway', env, 'inherit');
  port = await portOf(gateway.stdout);
}, msMax);
afterAll(async () => {
  gateway.kill('SIGKILL');
  await gateway.exited;
  await redis.stop();
});

async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = '';
  for await (const chunk of stdout.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    const line = text.split('\n').find((candidate) => candidate.includes('"msg":"listening"'));
    if (line) return JSON.parse(line).port;
  }
  throw new Error(`the gateway did not start: ${text}`);
}

/** The most that the process has ever held. */
function peakBytes(): number {
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1_024;
}

/** Sends all of the body but its end; `answered` gets what comes back, or 'closed'. Bodies within the bound get no answer. */
function sendWithoutEnd(head: string, answered: (answer: string) => void): Socket {
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(head);
    socket.write(Buffer.alloc(bodyBytes - 1, ' '));
  });
  socket.once('data', (data) => answered(String(data)));
  socket.once('error', () => answered('closed'));
  return socket;
}

const head = (more: string) =>
  `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n\r\n`;

async function post(): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  return fetch(`http://127.0.0.1:${port}/api/v1/events`, { method: 'POST', headers, body: eventText('1') });
}

test(
  '200 bodies of 8 MB that do not end: 503 with Retry-After beyond the bound, and memory stays below it',
  async () => {
    const answers: string[] = [];
    const most = Promise.withResolvers<void>();
    const sockets = Array.from({ length: clients }, () =>
      sendWithoutEnd(head(`Content-Length: ${bodyBytes}`), (answer) => {
        if (answers.push(answer) > clients / 2) most.resolve();
      }),
    );
    await most.promise;
    // A client that is still sending when the connection is closed may see the reset before the answer.
    const refused = answers.filter((answer) => answer.startsWith('HTTP/1.1 503'));
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer !== 'closed' && !answer.startsWith('HTTP/1.1 503'))).toEqual([]);
    for (const answer of refused) {
      expect(answer).toMatch(/retry-after: 1\r\n/i);
      expect(answer).toMatch(/connection: close\r\n/i);
    }
    expect(peakBytes()).toBeLessThan(memoryBytesMax);
    for (const socket of sockets) socket.destroy();
    let last = await post();
    while (last.status !== 204) last = await post();
  },
  msMax,
);

test(
  '200 small bodies that unpack to 8 MB each, at once: memory stays below the bound',
  async () => {
    const filler = ' '.repeat(bodyBytes - 1_000);
    const packed = gzipSync(`${eventText('packed')}${filler}`);
    const headers = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
    const url = `http://127.0.0.1:${port}/api/v1/events`;
    const statuses = await Promise.all(
      Array.from(
        { length: clients },
        async () => (await fetch(url, { method: 'POST', headers, body: packed })).status,
      ),
    );
    // What does not fit into the queue for Redis is sent again by its client.
    expect(statuses.filter((status) => status !== 204 && status !== 503)).toEqual([]);
    expect(statuses).toContain(204);
    expect(peakBytes()).toBeLessThan(memoryBytesMax);
  },
  msMax,
);
