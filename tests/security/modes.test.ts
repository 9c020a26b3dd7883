import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openAccess } from '@usage/lib/auth/access.ts';
import { isLoopback } from '@usage/lib/auth/settings.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createRedis, type TestRedis } from '../support/redis.ts';
import { spawnApp } from '../support/spawnApp.ts';

let database: TestDatabase;
let redis: TestRedis;
beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), createRedis()]);
});
afterAll(async () => {
  await redis.drop();
  await database.drop();
});

/** Starts an app and stops it as soon as it listens; resolves with its exit code and all it said. */
async function start(app: 'gateway' | 'query', env: Record<string, string>) {
  const all = {
    PATH: process.env.PATH,
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    API_PORT: '0',
    QUERY_PORT: '0',
    ...env,
  };
  const child = spawnApp(app, all, 'pipe');
  let said = '';
  let listened = false;
  const stderr = new Response(child.stderr).text();
  for await (const chunk of child.stdout) {
    said += new TextDecoder().decode(chunk);
    if (!listened && said.includes('"msg":"listening"')) {
      listened = true;
      // An answer shows that it has reached the end of its start, where it handles signals.
      const { port } = JSON.parse(said.split('\n').find((line) => line.includes('"msg":"listening"'))!);
      await fetch(`http://127.0.0.1:${port}/health/live`);
      child.kill('SIGTERM');
    }
  }
  return { exitCode: await child.exited, listened, said: said + (await stderr) };
}

describe.each(['gateway', 'query'] as const)('%s', (app) => {
  test('AUTH=off on an address that others reach: refuses to start and says how to go on', async () => {
    const { exitCode, listened, said } = await start(app, { AUTH: 'off', API_HOST: '0.0.0.0' });
    expect([exitCode, listened]).toEqual([1, false]);
    for (const word of ['ADMIN_API_KEY', 'API_HOST=127.0.0.1', 'PUBLISHED_ON=loopback'])
      expect(said).toContain(word);
  });

  test('AUTH=off in a container whose ports are published on loopback alone: starts', async () => {
    const { exitCode, listened } = await start(app, {
      AUTH: 'off',
      API_HOST: '0.0.0.0',
      PUBLISHED_ON: 'loopback',
    });
    expect([exitCode, listened]).toEqual([0, true]);
  });

  test('AUTH=off on loopback: starts, and warns', async () => {
    const { exitCode, listened, said } = await start(app, { AUTH: 'off' });
    expect([exitCode, listened]).toEqual([0, true]);
    expect(said).toContain('AUTH=off: whoever reaches this port');
  });

  test('no key at all: refuses to start and says how to get one', async () => {
    const { exitCode, listened, said } = await start(app, { API_HOST: '0.0.0.0' });
    expect([exitCode, listened]).toEqual([1, false]);
    for (const word of ['ADMIN_API_KEY', 'bun run keys create', 'AUTH=off']) expect(said).toContain(word);
  });

  test('an operator’s key that is too short is refused and not repeated', async () => {
    const { exitCode, said } = await start(app, { ADMIN_API_KEY: 'hunter2hunter2' });
    expect(exitCode).toBe(1);
    expect(said).toContain('ADMIN_API_KEY=…: expected 32');
    expect(said).not.toContain('hunter2');
  });

  test('passwords in wrong URLs are not repeated', async () => {
    const { said } = await start(app, {
      DATABASE_URL: 'mysql://me:hunter2@db/x',
      REDIS_URL: 'http://:hunter2@r',
    });
    expect(said).toContain('DATABASE_URL=mysql://…@db/x');
    expect(said).not.toContain('hunter2');
  });

  test('with ADMIN_API_KEY: starts on any address', async () => {
    const { exitCode, listened } = await start(app, { API_HOST: '0.0.0.0', ADMIN_API_KEY: 'k'.repeat(32) });
    expect([exitCode, listened]).toEqual([0, true]);
  });
});

describe('AUTH=off', () => {
  const ask = (headers: Record<string, string>) =>
    openAccess().identify(new Request('http://localhost/', { headers }), 'admin');

  test.each(['localhost:8000', '127.0.0.1:8000', '[::1]:8000', 'api_gateway:8000', '10.0.0.5'])(
    'answers to %s',
    (host) => {
      expect(ask({ host }).namespace).toBe('default');
      expect(ask({ host, origin: `http://${host}` }).namespace).toBe('default');
    },
  );

  test.each(['evil.example', 'evil.example:8000', '127.0.0.1.evil.example', 'localhost.evil.example:1'])(
    'a page of %s gets nothing, neither across origins nor by DNS rebinding',
    (host) => {
      expect(() => ask({ host })).toThrow('not to names');
      expect(() => ask({ host: 'localhost:8000', origin: `https://${host}` })).toThrow(
        'pages of other sites',
      );
    },
  );

  test.each(['null', 'file://', ''])('the origin %p gets nothing', (origin) => {
    expect(() => ask({ host: 'localhost', origin })).toThrow('pages of other sites');
  });
});

test('what counts as loopback', () => {
  expect(['127.0.0.1', '127.9.9.9', 'localhost', '::1'].every(isLoopback)).toBe(true);
  expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '', '1127.0.0.1'].some(isLoopback)).toBe(false);
});
