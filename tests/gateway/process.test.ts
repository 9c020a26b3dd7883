import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import type { LocalRedis } from '../../scripts/local/redis.ts';
import { contentOfFrame } from '../support/frames.ts';
import { startTestRedis } from '../support/servers.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { eventText } from './start.ts';

let server: LocalRedis;
beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());

function spawn(env: Record<string, string>) {
  const all = { PATH: process.env.PATH, REDIS_URL: server.url, API_PORT: '0', AUTH: 'off', ...env };
  return spawnApp('gateway', all, 'pipe');
}

/** The port from the line that says that it listens. */
async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = '';
  for await (const chunk of stdout.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    const line = text.split('\n').find((candidate) => candidate.includes('"msg":"listening"'));
    if (line) return JSON.parse(line).port;
  }
  throw new Error(`the gateway did not start: ${text}`);
}

describe('the process', () => {
  test('SIGTERM under load: every answered event is kept, exit 0', async () => {
    const gateway = spawn({});
    const url = `http://127.0.0.1:${await portOf(gateway.stdout)}/api/v1/events`;
    const answered = new Set<string>();
    const enough = Promise.withResolvers<void>();
    const client = async (name: number) => {
      for (let n = 0; ; n++) {
        const id = `${name}-${n}`;
        try {
          const headers = { 'Content-Type': 'application/json' };
          const response = await fetch(url, { method: 'POST', headers, body: eventText(id) });
          if (response.status !== 204) return response.status;
          answered.add(id);
        } catch {
          return 'refused';
        }
        if (answered.size === 300) enough.resolve();
      }
    };
    const clients = Array.from({ length: 20 }, (_, name) => client(name));
    await enough.promise;
    gateway.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    await Promise.all(clients);

    const redis = new Redis(server.url);
    const entries = (await redis.xrangeBuffer('{usage}:events', '-', '+')) as unknown as [Buffer, Buffer[]][];
    redis.disconnect();
    const kept = new Set(
      entries.flatMap(([, fields]) =>
        contentOfFrame(fields[1]!).flatMap(({ events }) =>
          events.map((event) => (event as { id: string }).id),
        ),
      ),
    );
    expect([...answered].filter((id) => !kept.has(id))).toEqual([]);
  });

  test('SIGTERM while an upload hangs: it is cut off, exit 0 within the deadline', async () => {
    const gateway = spawn({ STOP_MS_MAX: '1000' });
    const port = await portOf(gateway.stdout);
    const answered = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: { data: () => answered.resolve(), close: () => {}, error: () => {} },
    });
    // The first answer shows that the connection is the gateway's; the second request never ends.
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await answered.promise;
    socket.write(
      'POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    );
    await fetch(`http://127.0.0.1:${port}/health/live`);
    gateway.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    socket.end();
  });

  test('a new replica that Redis is slow to answer listens late: the first events it is sent are taken', async () => {
    const slow = await slowRedis(1_500);
    const gateway = spawn({ REDIS_URL: slow.url });
    const port = await portOf(gateway.stdout);
    const headers = { 'Content-Type': 'application/json' };
    const url = `http://127.0.0.1:${port}/api/v1/events`;
    expect((await fetch(url, { method: 'POST', headers, body: eventText('first') })).status).toBe(204);
    gateway.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    slow.stop();
  });

  test('a taken port is said in one sentence', async () => {
    const holder = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const gateway = spawn({ API_PORT: String(holder.port) });
    expect(await gateway.exited).toBe(1);
    expect((await gateway.stderr.text()).trim()).toBe(
      `Port ${holder.port} on 127.0.0.1 is taken by another process: stop that one or choose another port.`,
    );
    await holder.stop(true);
  });

  test('every wrong setting is named', async () => {
    const gateway = spawn({ API_PORT: 'x', FRAME_EVENTS_MAX: '0', REDIS_URL: 'http://x' });
    expect(await gateway.exited).toBe(1);
    const said = await gateway.stderr.text();
    for (const name of ['API_PORT=x', 'FRAME_EVENTS_MAX=0', 'REDIS_URL=http://x'])
      expect(said).toContain(name);
  });
});

/** The server, over connections that pass their first bytes on after so long. */
async function slowRedis(delayMs: number) {
  const { port, hostname } = new URL(server.url);
  const proxy = createServer((client) => {
    client.on('error', () => {});
    setTimeout(() => {
      const redis = connect(Number(port), hostname, () => client.pipe(redis).pipe(client));
      redis.on('error', () => client.destroy());
      client.on('close', () => redis.destroy());
    }, delayMs);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(proxy.address() as { port: number }).port}`,
    stop: () => proxy.close(),
  };
}
