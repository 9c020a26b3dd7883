import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import { createServer, listen, stopListening } from '@usage/lib/http/server.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { Registry } from 'prom-client';
import { eventText, startGateway, type TestGateway } from '../gateway/start.ts';

/** Clients that hold a connection without doing anything with it (slowloris). */
const bodyMsMax = 300;
/** Deadlines are looked at once a second. */
const noticedMsMax = bodyMsMax + 1_500;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ BODY_MS_MAX: String(bodyMsMax), BODY_BYTES_MAX: '1000000' });
});
afterAll(() => gateway.stop());

/** What came back until the server closed the connection, and after how long. The client never ends it, but for a 413. */
function heldOpen(url: string, first: string, trickle?: { text: string; everyMs: number }) {
  const { promise, resolve } = Promise.withResolvers<{ answer: string; openMs: number }>();
  const startedMs = performance.now();
  let answer = '';
  let dripping: Timer | undefined;
  const socket: Socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
    socket.write(first);
    if (trickle) dripping = setInterval(() => socket.write(trickle.text), trickle.everyMs);
  });
  socket.on('data', (chunk) => {
    answer += chunk;
    // What is too long is told while it still comes, and passed over: the client may end it then.
    if (answer.includes('HTTP/1.1 413')) socket.destroy();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(dripping);
    resolve({ answer, openMs: performance.now() - startedMs });
  });
  return promise;
}

const head = (type: string, rest: string) =>
  `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n${rest}\r\n\r\n`;
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;

describe('a body that does not come', () => {
  const event = eventText('slow');
  const length = `Content-Length: ${event.length}`;

  test.each([
    ['stops in the middle', head('application/json', length) + event.slice(0, 20), undefined],
    ['comes byte by byte', head('application/json', 'Content-Length: 100000'), { text: ' ', everyMs: 20 }],
    [
      'comes chunk by chunk',
      head('application/json', 'Transfer-Encoding: chunked'),
      { text: chunk(' '), everyMs: 20 },
    ],
  ])('%s: 408, and the connection is closed', async (_name, first, trickle) => {
    const { answer, openMs } = await heldOpen(gateway.url, first, trickle);
    expect(answer).toStartWith('HTTP/1.1 408 Request Timeout');
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain(`did not come within ${bodyMsMax} ms`);
    expect(openMs).toBeWithin(bodyMsMax, noticedMsMax);
    expect(await gateway.frames()).toEqual([]);
  });

  test('is longer than any may be and never ends: 413 as soon as that is known', async () => {
    const first = head('application/json', 'Transfer-Encoding: chunked');
    const { answer } = await heldOpen(gateway.url, first, { text: chunk(' '.repeat(500_000)), everyMs: 5 });
    expect(answer).toStartWith('HTTP/1.1 413');
  });

  test('a stream of lines that pauses: 408 that says where to go on, and the connection is closed', async () => {
    const first = head('application/x-ndjson', 'Transfer-Encoding: chunked') + chunk(`${event}\n{"half`);
    const { answer, openMs } = await heldOpen(gateway.url, first);
    expect(answer).toStartWith('HTTP/1.1 408 Request Timeout');
    expect(answer).toContain(`Nothing came for ${bodyMsMax} ms.`);
    expect(answer).toContain('"linesDone":0');
    expect(openMs).toBeWithin(bodyMsMax, noticedMsMax);
  });
});

describe('a connection that is held', () => {
  const health = new Health();
  const app = createServer({
    log: createLog('slow', 'silent'),
    health,
    registry: new Registry(),
    bodyBytesMax: 1_000,
    idleSecondsMax: 1,
  });
  const url = `http://127.0.0.1:${listen(app, '127.0.0.1', 0)}`;
  afterAll(() => stopListening(app));
  /** Bun looks at its timers every 4 s. */
  const idleMsMax = 9_000;
  /** Bun's own limit for headers, 10 s, noticed by the same timers. */
  const headersMsMax = 15_000;

  test('silent after an answer: closed when idle for too long', async () => {
    const { answer, openMs } = await heldOpen(url, 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer).toStartWith('HTTP/1.1 200 OK');
    expect(openMs).toBeLessThan(idleMsMax);
  }, 20_000);

  test('headers that come byte by byte: closed, however busy the connection is', async () => {
    const first = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: ';
    const [dripping, silent, nothing] = await Promise.all([
      heldOpen(url, first, { text: 'a', everyMs: 250 }),
      heldOpen(url, first),
      heldOpen(url, ''),
    ]);
    for (const { answer, openMs } of [dripping, silent, nothing]) {
      expect(answer).toBe('');
      expect(openMs).toBeLessThan(headersMsMax);
    }
  }, 20_000);
});
