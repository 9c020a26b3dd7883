import { afterAll, beforeAll, expect, test } from 'bun:test';
import { loggedError } from '@usage/lib/service/log.ts';
import { Redis } from 'ioredis';
import { eventText } from '../gateway/start.ts';
import { startTestRedis } from '../support/servers.ts';
import { spawnApp } from '../support/spawnApp.ts';

/** ioredis hands every command that was refused on with its error, arguments included. */
const password = 'the-right-password-of-redis';
let server: Awaited<ReturnType<typeof startTestRedis>>;
beforeAll(async () => {
  server = await startTestRedis();
  const redis = new Redis(server.url);
  await redis.config('SET', 'requirepass', password);
  redis.disconnect();
});
afterAll(() => server.stop());

function urlWith(secret: string): string {
  const url = new URL(server.url);
  url.password = secret;
  return url.href;
}

test('a password that Redis refuses is not in the log', async () => {
  const url = urlWith('an-old-password-of-redis');
  const env = { PATH: process.env.PATH, AUTH: 'off', API_PORT: '0', REDIS_URL: url };
  const child = spawnApp('gateway', env, 'pipe');
  const stderr = new Response(child.stderr).text();
  let said = '';
  for await (const chunk of child.stdout) {
    said += new TextDecoder().decode(chunk);
    if (said.includes('WRONGPASS')) child.kill('SIGKILL');
  }
  said += await stderr;
  expect(said).not.toContain('an-old-password');
});

test('events that Redis refuses are not in the log, but what Redis says and to which command', async () => {
  const redis = new Redis(urlWith(password));
  await redis.set('text', 'x');
  const frame = Buffer.from(eventText('secret'));
  const error = await redis.xadd('text', '*', 'f', frame).catch((refused: unknown) => refused);
  redis.disconnect();
  expect(JSON.stringify(error)).toContain(JSON.stringify(frame));
  const logged = JSON.stringify(loggedError(error));
  expect(logged).not.toContain(JSON.stringify(frame));
  expect(JSON.parse(logged)).toMatchObject({ command: 'xadd' });
  expect(logged).toContain('WRONGTYPE');
});

test('nor are they where the refusal lies in other errors', async () => {
  const redis = new Redis(urlWith(password));
  await redis.set('text', 'x');
  const frame = Buffer.from(eventText('secret'));
  const refused = (await redis.xadd('text', '*', 'f', frame).catch((error: unknown) => error)) as Error;
  redis.disconnect();
  const asCause = new Error('not kept', { cause: refused });
  const asProperty = Object.assign(new Error('no node answers'), { lastNodeError: refused });
  const inList = Object.assign(new Error('discarded'), { previousErrors: [refused] });
  const aggregated = new AggregateError([refused, new AggregateError([asProperty])], 'none of them');
  for (const error of [asCause, asProperty, inList, aggregated]) {
    const logged = JSON.stringify(loggedError(error));
    expect(logged).not.toContain(JSON.stringify(frame));
    expect(logged).toContain('WRONGTYPE');
  }
  expect(loggedError(aggregated)).toMatchObject({ aggregateErrors: [{ command: 'xadd' }, {}] });
  Object.assign(refused, { outer: inList });
  expect(JSON.stringify(loggedError(inList))).toContain('"outer":"discarded"');
});
