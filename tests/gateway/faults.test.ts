import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startRedis } from '../../scripts/local/redis.ts';
import { eventText, startGateway, type TestGateway } from './start.ts';

let gateway: TestGateway;
afterEach(() => gateway.stop());

async function expectUnavailable(response: Response, detail: RegExp) {
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  const problem = (await response.json()) as { detail: string; code: string };
  expect(problem.code).toBe('unavailable');
  expect(problem.detail).toMatch(detail);
}

async function restartRedis(port: number) {
  const folder = await mkdtemp(join(tmpdir(), 'usage-test-redis-'));
  return startRedis({
    folder: join(folder, 'data'),
    logFile: join(folder, 'redis.log'),
    port,
    throwAway: folder,
  });
}

/** Polls the gate itself, so that no time has to pass. */
async function untilOpen() {
  while (gateway.gate.refusal !== undefined) {
    await gateway.gate.poll();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('with a gate that looks often', () => {
  beforeEach(async () => {
    gateway = await startGateway({ STREAM_FRAMES_MAX: '10' });
  });

  test('many small concurrent requests become few frames, each answered after its own', async () => {
    const responses = await Promise.all(
      Array.from({ length: 500 }, (_, n) => gateway.post(eventText(`e${n}`))),
    );
    expect(responses.every(({ status }) => status === 204)).toBe(true);
    const frames = await gateway.frames();
    const ids = frames.flat().flatMap(({ events }) => events.map((event) => (event as { id: string }).id));
    expect(new Set(ids).size).toBe(500);
    expect(ids).toHaveLength(500);
    expect(frames.length).toBeLessThan(100);
  });

  test('a stream at its bound refuses, and reopens only well below it', async () => {
    for (let n = 0; n < 10; n++) expect((await gateway.post(eventText(`${n}`))).status).toBe(204);
    await gateway.gate.poll();
    await expectUnavailable(await gateway.post(eventText('more')), /full/);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
    await gateway.admin.xtrim('{usage}:events', 'MAXLEN', 9);
    await gateway.gate.poll();
    await expectUnavailable(await gateway.post(eventText('more')), /full/);
    await gateway.admin.xtrim('{usage}:events', 'MAXLEN', 8);
    await gateway.gate.poll();
    expect((await gateway.post(eventText('more'))).status).toBe(204);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
  });

  test('memory near maxmemory refuses before Redis has to', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await gateway.admin.info('memory'))![1]);
    await gateway.admin.config('SET', 'maxmemory', Math.round(used * 1.05));
    await gateway.gate.poll();
    await expectUnavailable(await gateway.post(eventText('1')), /full/);
    await gateway.admin.config('SET', 'maxmemory', used * 4);
    await gateway.gate.poll();
    expect((await gateway.post(eventText('1'))).status).toBe(204);
  });

  test('Redis away: 503 at once, alive, not ready; Redis back: taken again', async () => {
    const port = Number(new URL(gateway.server.url).port);
    await gateway.server.stop();
    const startedMs = performance.now();
    await expectUnavailable(await gateway.post(eventText('1')), /Redis/);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await gateway.gate.poll();
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    const again = await restartRedis(port);
    await untilOpen();
    expect((await gateway.post(eventText('2'))).status).toBe(204);
    await again.stop();
  });
});

describe('with a gate that has not looked yet', () => {
  beforeEach(async () => {
    gateway = await startGateway({ PRESSURE_POLL_MS: '10000', APPEND_MS_MAX: '200' });
  });

  test('Redis out of memory: 503, nothing kept, taken again once there is room', async () => {
    await gateway.admin.config('SET', 'maxmemory', 1);
    await expectUnavailable(await gateway.post(eventText('1')), /out of memory/);
    await gateway.admin.config('SET', 'maxmemory', 0);
    expect(await gateway.frames()).toEqual([]);
    expect((await gateway.post(eventText('1'))).status).toBe(204);
  });

  test('no answer from Redis in time: 503', async () => {
    await gateway.admin.client('PAUSE', 5_000, 'WRITE');
    await expectUnavailable(await gateway.post(eventText('1')), /did not acknowledge/);
    await gateway.admin.client('UNPAUSE');
  });

  test('the connection breaks after the frame was sent: 503, for the outcome is unknown', async () => {
    const other = new Redis(gateway.server.url);
    await other.client('PAUSE', 5_000, 'WRITE');
    const answer = gateway.post(eventText('1'));
    let blocked = false;
    while (!blocked) blocked = /blocked_clients:[1-9]/.test(await other.info('clients'));
    await other.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await expectUnavailable(await answer, /send the same ids again/);
    await other.client('UNPAUSE');
    other.disconnect();
  });

  test('a stop while requests wait for Redis: they are answered before it ends', async () => {
    await gateway.admin.client('PAUSE', 100, 'WRITE');
    const answers = Array.from({ length: 20 }, (_, n) => gateway.post(eventText(`e${n}`)));
    while (gateway.batcher.queuedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    gateway.health.stopping();
    const draining = gateway.batcher.drain();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(204));
    await draining;
    const ids = (await gateway.frames()).flat().flatMap(({ events }) => events);
    expect(ids).toHaveLength(20);
  });
});
