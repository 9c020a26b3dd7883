import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '@usage/db/schema/migrate.ts';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { parse } from 'yaml';
import { type RunningApps, startApps } from '../support/apps.ts';
import { root, run } from './stack.ts';

/**
 * The apps against the very images of compose.yaml, with its init script, over testcontainers. Left out, and said so,
 * where no Docker engine runs or the images aren't there: they are never pulled by a test run.
 */
const compose = parse(await readFile(join(root, 'compose.yaml'), 'utf8')) as {
  services: Record<string, { image: string; command: string[] }>;
};
const images = {
  postgres: process.env.TIMESCALEDB_IMAGE ?? /:-(.+)\}$/.exec(compose.services.postgres!.image)![1]!,
  redis: compose.services.redis!.image,
};
const missing = await whyNot();
if (missing) console.warn(`LEFT OUT: tests/compose/images.test.ts, because ${missing}`);

describe.skipIf(missing !== undefined)('the images of compose.yaml', () => {
  let postgres: StartedTestContainer;
  let redis: StartedTestContainer;
  let apps: RunningApps;
  const startMsMax = 120_000;

  beforeAll(async () => {
    // Its clean-up container would keep Bun alive, and is an image more: afterAll stops what was started.
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
    [postgres, redis] = await Promise.all([
      new GenericContainer(images.postgres)
        .withEnvironment({
          POSTGRES_DB: 'usage_tracking',
          POSTGRES_USER: 'usage_user',
          POSTGRES_PASSWORD: 'usage_password',
          NO_TS_TUNE: 'true',
        })
        .withCopyFilesToContainer([
          {
            source: join(root, 'docker/init-timescale.sql'),
            target: '/docker-entrypoint-initdb.d/010-usage.sql',
            mode: 0o644,
          },
        ])
        .withExposedPorts(5432)
        .withWaitStrategy(Wait.forSuccessfulCommand('pg_isready -q -h 127.0.0.1 -U usage_user'))
        .start(),
      new GenericContainer(images.redis)
        .withCommand(['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'volatile-lru'])
        .withExposedPorts(6379)
        .withWaitStrategy(Wait.forSuccessfulCommand('redis-cli ping'))
        .start(),
    ]);
    const databaseUrl = `postgres://usage_user:usage_password@${postgres.getHost()}:${postgres.getMappedPort(5432)}/usage_tracking`;
    await migrate(databaseUrl, { direction: 'up' });
    apps = await startApps({
      DATABASE_URL: databaseUrl,
      REDIS_URL: `redis://${redis.getHost()}:${redis.getMappedPort(6379)}`,
    });
  }, startMsMax);
  afterAll(async () => {
    await apps?.stop();
    await Promise.all([postgres?.stop(), redis?.stop()]);
  }, startMsMax);

  test('an event goes in, its usage comes out', async () => {
    const post = (path: string, type: string, body: unknown) =>
      fetch(apps.url + path, {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: JSON.stringify(body),
      });
    const meter = { slug: 'tokens', eventType: 'llm', aggregation: 'SUM', valueProperty: '$.tokens' };
    expect((await post('/api/v1/meters', 'application/json', meter)).status).toBe(201);
    const event = {
      specversion: '1.0',
      id: '1',
      source: 's',
      type: 'llm',
      subject: 'c1',
      data: { tokens: '0.1' },
    };
    for (const id of ['1', '2', '2'])
      expect((await post('/api/v1/events', 'application/cloudevents+json', { ...event, id })).status).toBe(
        204,
      );
    let values: number[] = [];
    while (values[0] !== 0.2) {
      const { data } = (await (await fetch(`${apps.url}/api/v1/meters/tokens/query`)).json()) as {
        data: { value: number }[];
      };
      values = data.map(({ value }) => value);
    }
    expect(values).toEqual([0.2]);
  });

  test('the init script made the extension, where the image has it, and the reader', async () => {
    const psql = async (text: string) => {
      const command = ['psql', '-XqAt', '-U', 'usage_user', '-d', 'usage_tracking', '-c', text];
      return (await postgres.exec(command)).stdout.trim();
    };
    const offered = "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'";
    expect(await psql("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")).toBe(
      await psql(offered),
    );
    expect(await psql("SELECT pg_has_role('usage_reader', 'pg_read_all_data', 'member')")).toBe('t');
  });
});

async function whyNot(): Promise<string | undefined> {
  if (Bun.which('docker') === null) return 'docker is not installed';
  if ((await run(['docker', 'info'], {}, 10_000)).code !== 0) return 'no Docker engine answers';
  for (const image of Object.values(images))
    if ((await run(['docker', 'image', 'inspect', image], {}, 10_000)).code !== 0)
      return `the image ${image} is not here (docker pull ${image})`;
  return undefined;
}
