import { afterAll, describe, expect, test } from 'bun:test';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = await mkdtemp(join(tmpdir(), 'usage-start-'));
await chmod(folder, 0o711); // PostgreSQL runs as another user when we are root
const startMsMax = 60_000;
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('npm start', () => {
  test(
    'from nothing to an answer, an orderly stop, and the data is there again',
    async () => {
      // As Docker and companies set it: for every request, whatever the host.
      const throughProxy: string[] = [];
      const proxy = Bun.serve({
        port: 0,
        hostname: '127.0.0.1',
        fetch(request) {
          throughProxy.push(request.url);
          return new Response('forbidden', { status: 403 });
        },
      });
      const proxyUrl = `http://127.0.0.1:${proxy.port}`;
      const first = start({ HTTP_PROXY: proxyUrl, http_proxy: proxyUrl, no_proxy: 'example.com' });
      const gateway = await first.gateway();
      const event = {
        specversion: '1.0',
        id: '1',
        source: 'test',
        type: 'llm',
        subject: 'me',
        data: { tokens: 1_432 },
      };
      expect((await post(`${gateway}/api/v1/events`, event)).status).toBe(204);
      const meter = { slug: 'tokens', eventType: 'llm', aggregation: 'SUM', valueProperty: '$.tokens' };
      expect((await post(`${gateway}/api/v1/meters`, meter)).status).toBeLessThan(300);
      expect(await totalOf(gateway, 'tokens')).toBe(1_432);
      expect(throughProxy).toEqual([]);
      await proxy.stop(true);

      const second = start();
      expect(await second.process.exited).toBe(1);
      expect(await second.output()).toContain(
        `It runs already in this folder (process ${first.process.pid})`,
      );

      first.process.kill('SIGTERM');
      expect(await first.process.exited).toBe(0);
      expect(await first.output()).toEndWith('Stopped.\n');

      const again = start();
      expect(await totalOf(await again.gateway(), 'tokens')).toBe(1_432);
      again.process.kill('SIGINT');
      expect(await again.process.exited).toBe(0);
    },
    startMsMax,
  );

  test(
    'an app that dies is named with its last lines, and everything is stopped',
    async () => {
      const running = start();
      await running.gateway();
      const processor = await childOf(running.process.pid, 'apps/processor/main.ts');
      process.kill(processor, 'SIGKILL');
      expect(await running.process.exited).toBe(1);
      expect(await running.output()).toMatch(/processor ended \(SIGKILL\)\. Its last lines:\n {2}.*INFO/);
      expect(await running.output()).toEndWith('Stopped, after a fault.\n');
    },
    startMsMax,
  );

  test('a port that is taken is named with its setting', async () => {
    const taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    const refused = start({ QUERY_PORT: String(taken.port) });
    expect(await refused.process.exited).toBe(1);
    expect(await refused.output()).toContain(
      `Port ${taken.port} of 127.0.0.1, where query should listen, is taken`,
    );
    expect(await refused.output()).toContain('QUERY_PORT');
    await taken.stop(true);
  });

  test.each([
    ['postgres://u:p@127.0.0.1:1/d', 'PostgreSQL does not answer at DATABASE_URL (u@127.0.0.1:1/d)'],
    ['postgres://u:p@127.0.0.1:1/d?sslmode=yes', 'sslmode=yes: expected one of disable'],
    ['mysql://u:p@127.0.0.1/d', 'expected a URL that starts with postgres://'],
  ])('DATABASE_URL=%s ends the start at once, in a sentence without a stack', async (url, reason) => {
    const refused = start({ DATABASE_URL: url });
    expect(await refused.process.exited).toBe(1);
    const said = await refused.output();
    expect(said).toContain(reason);
    expect(said).not.toMatch(/\n\s+at /);
  });

  test('a REDIS_URL where nothing answers ends the start within seconds, and says what to do', async () => {
    const refused = start({ REDIS_URL: 'redis://127.0.0.1:1' });
    expect(await refused.process.exited).toBe(1);
    expect(await refused.output()).toContain(
      'Redis does not answer at REDIS_URL: connect ECONNREFUSED 127.0.0.1:1. Start it',
    );
  });

  test('all wrong settings are named at once', async () => {
    const refused = start({ LOG_LEVEL: 'loud', PERIOD_DAYS: '99', QUERY_MS_MAX: 'x' });
    expect(await refused.process.exited).toBe(1);
    for (const name of ['LOG_LEVEL=loud', 'PERIOD_DAYS=99', 'QUERY_MS_MAX=x']) {
      expect(await refused.output()).toContain(name);
    }
  });
});

/** scripts/start.ts with servers and apps of its own on free ports. */
function start(settings: Record<string, string> = {}) {
  const ports = ['API_PORT', 'QUERY_PORT', 'PROCESSOR_PORT', 'AGGREGATOR_PORT', 'LIMITS_PORT'];
  const anyPort = Object.fromEntries(ports.map((port) => [port, '0']));
  const { DATABASE_URL: _database, REDIS_URL: _redis, ...env } = process.env;
  const process_ = Bun.spawn([process.execPath, 'scripts/start.ts'], {
    cwd: root,
    env: { ...env, ...anyPort, DATA_FOLDER: folder, ...settings },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let text = '';
  const { promise: running, resolve, reject } = Promise.withResolvers<string>();
  running.catch(() => {}); // asked for by some tests only
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      text += decoder.decode(bytes, { stream: true });
      const [, address] = /gateway +(http:\S+)/.exec(text) ?? [];
      if (address && text.includes('Ctrl-C stops everything')) resolve(address);
    }
  };
  const ended = Promise.all([read(process_.stdout), read(process_.stderr)]);
  void ended.then(() => reject(new Error(`it ended:\n${text}`)));
  return { process: process_, gateway: () => running, output: () => ended.then(() => text) };
}

function post(url: string, body: unknown): Promise<Response> {
  const headers = {
    'Content-Type': url.endsWith('/events') ? 'application/cloudevents+json' : 'application/json',
  };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Asks until the event is stored and so in the answer. */
async function totalOf(gateway: string, meter: string): Promise<number> {
  for (;;) {
    const answer = await fetch(`${gateway}/api/v1/meters/${meter}/query`);
    const { data } = (await answer.json()) as { data: { value: number }[] };
    if (data[0]) return data[0].value;
  }
}

async function childOf(parent: number, argument: string): Promise<number> {
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8');
  for (const pid of children.trim().split(' ')) {
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(argument)) return Number(pid);
  }
  throw new Error(`no child runs ${argument}`);
}
