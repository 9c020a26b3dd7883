import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import type { LocalRedis } from '../../scripts/local/redis.ts';
import { postgresUrl, startTestRedis } from '../support/servers.ts';
import { type AppName, spawnApp } from '../support/spawnApp.ts';

/** What no waiting mends: the process ends within seconds, with one sentence, and without a stack or the password. */
const apps: AppName[] = ['gateway', 'query', 'processor', 'aggregator', 'limits'];
const server = new URL(await postgresUrl());
const changed = (change: (url: URL) => void) => {
  const url = new URL(server);
  change(url);
  return url.href;
};
const faults: [string, string, string][] = [
  [
    'a wrong password',
    changed((url) => {
      url.password = 'not-the-password';
    }),
    'it refuses the password of the user',
  ],
  [
    'no such database',
    changed((url) => {
      url.pathname = '/nowhere';
    }),
    'it has no database nowhere: create it',
  ],
  [
    'no TLS there',
    changed((url) => {
      url.searchParams.set('sslmode', 'verify-full');
    }),
    'does not speak TLS',
  ],
  [
    'a parameter that is misspelt',
    changed((url) => {
      url.searchParams.set('sslmod', 'require');
    }),
    'the parameter sslmod is not known',
  ],
];

test.each(faults.flatMap(([what, url, said]) => apps.map((app) => [app, what, url, said] as const)))(
  '%s, %s',
  async (app, _what, url, sentence) => {
    const env = { PATH: process.env.PATH, DATABASE_URL: url, REDIS_URL: 'redis://127.0.0.1:1', AUTH: 'off' };
    const anyPort = {
      API_PORT: '0',
      QUERY_PORT: '0',
      PROCESSOR_PORT: '0',
      AGGREGATOR_PORT: '0',
      LIMITS_PORT: '0',
    };
    const child = spawnApp(app, { ...env, ...anyPort }, 'pipe');
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(await child.exited).toBe(1);
    expect(out + err).toContain(sentence);
    expect(out + err).not.toMatch(/\n\s+at |"stack"|not-the-password/);
  },
  15_000,
);

test.each(['gateway', 'query', 'limits', 'processor', 'aggregator'] as const)(
  '%s: servers that are not there yet are named in the log at once, and the app goes on trying',
  async (app) => {
    const env = { PATH: process.env.PATH, REDIS_URL: 'redis://127.0.0.1:1', AUTH: 'off' };
    const ports = {
      API_PORT: '0',
      QUERY_PORT: '0',
      PROCESSOR_PORT: '0',
      AGGREGATOR_PORT: '0',
      LIMITS_PORT: '0',
    };
    const url = 'postgres://usage_user@/usage?host=/var/run/nothing-there';
    const child = spawnApp(app, { ...env, ...ports, DATABASE_URL: url }, 'pipe');
    const decoder = new TextDecoder();
    let log = '';
    for await (const chunk of child.stdout) {
      log += decoder.decode(chunk);
      if (log.includes('ENOENT')) break;
    }
    expect(log).toContain('"level":"warn"');
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await child.exited;
  },
  15_000,
);

describe('Redis', () => {
  let redis: LocalRedis;
  beforeAll(async () => {
    redis = await startTestRedis();
    const client = new Redis(redis.url);
    await client.config('SET', 'requirepass', 'right');
    client.disconnect();
  });
  afterAll(() => redis.stop());

  test.each([
    ['gateway', ':wrong@', 'WRONGPASS'],
    ['processor', '', 'NOAUTH'],
    ['query', ':wrong@', 'WRONGPASS'],
  ] as const)('%s with "%s" for a login', async (app, login, reason) => {
    const env = {
      PATH: process.env.PATH,
      DATABASE_URL: server.href,
      AUTH: 'off',
      API_PORT: '0',
      QUERY_PORT: '0',
    };
    const url = redis.url.replace('redis://', `redis://${login}`);
    const child = spawnApp(app, { ...env, PROCESSOR_PORT: '0', REDIS_URL: url }, 'pipe');
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect(await child.exited).toBe(1);
    expect(err).toContain("Redis can't be used through REDIS_URL");
    expect(err).toContain(reason);
    expect(out + err).not.toMatch(/\n\s+at |"stack"|wrong@/);
  });
});
