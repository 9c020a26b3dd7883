import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect as connectSocket, type Socket } from 'node:net';
import { createKey, revokeKey } from '@usage/db/access/keys.ts';
import { createPortalToken } from '@usage/db/access/portalTokens.ts';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { noLimits } from '@usage/lib/auth/key.ts';
import { newKeyToken, newPortalToken } from '@usage/lib/auth/token.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { queryMetrics } from '@usage/query/metrics.ts';
import { QueryRunner } from '@usage/query/runner.ts';
import { Registry } from 'prom-client';
import { eventText } from '../gateway/start.ts';
import { type RunningApps, startApps } from '../support/apps.ts';

/** What one tenant may take, so that something is left for the others. */
const adminKey = 'the-operators-own-key-0123456789abcdef';
const startMsMax = 60_000;
const streamsPerNamespaceMax = 48;
const queryMsMax = 1_000;

let apps: RunningApps;
let sql: Sql;
beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey, QUERY_MS_MAX: String(queryMsMax) });
  sql = connect({ url: apps.database.url, name: 'limits test', connectionsMax: 4, statementMsMax: 5_000 });
}, startMsMax);
afterAll(async () => {
  await sql?.end();
  await apps?.stop();
}, startMsMax);

async function makeKey(namespace: string): Promise<string> {
  const response = await fetch(`${apps.url}/api/v1/keys`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${adminKey}` },
    body: JSON.stringify({ name: 'test', scopes: ['ingest'], namespace }),
  });
  return ((await response.json()) as { key: string }).key;
}

test('one tenant’s streams of lines leave some to the others, and are free again when they end', async () => {
  const [a, b] = [await makeKey('tenant-a'), await makeKey('tenant-b')];
  const stream = (key: string) =>
    fetch(`${apps.url}/api/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson', Authorization: `Bearer ${key}` },
      body: eventText(crypto.randomUUID()),
    });
  const held = await Promise.all(Array.from({ length: streamsPerNamespaceMax }, () => hold(a)));
  const refused = await until(503, () => stream(a));
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await stream(b)).status).toBe(200);
  for (const socket of held) socket.destroy();
  await until(200, () => stream(a));
});

/** A stream whose first line came, and no more. */
function hold(key: string): Promise<Socket> {
  const { port } = new URL(apps.url);
  const line = `${eventText('held')}\n`;
  return new Promise((resolve, reject) => {
    const socket = connectSocket(Number(port), '127.0.0.1', () => {
      socket.write(
        `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nAuthorization: Bearer ${key}\r\n` +
          `Transfer-Encoding: chunked\r\n\r\n${line.length.toString(16)}\r\n${line}\r\n`,
        () => resolve(socket),
      );
    });
    socket.on('error', reject);
  });
}

async function until(status: number, ask: () => Promise<Response>): Promise<Response> {
  const endMs = performance.now() + 5_000;
  for (;;) {
    const response = await ask();
    if (response.status === status) return response;
    if (performance.now() > endMs) throw new Error(`still ${response.status}`);
  }
}

test('one tenant’s queries, and strangers’ portal tokens, leave some to the others', async () => {
  const limits = {
    queryMsMax: 5_000,
    queriesMax: 3,
    queriesPerNamespaceMax: 2,
    connectionsMax: 4,
    connectionsPerNamespaceMax: 4,
    deltaCellsMax: 0,
  };
  const runner = new QueryRunner(
    sql,
    undefined,
    limits,
    queryMetrics(new Registry()),
    createLog('query', 'silent'),
  );
  const end = Promise.withResolvers<void>();
  const ask = (namespace: string) => runner.read('events', namespace, () => end.promise);
  const running = [ask('a'), ask('a')];
  const full = { code: 'unavailable', headers: { 'Retry-After': '1' } };
  expect(ask('a')).rejects.toMatchObject(full);
  running.push(ask('b'));
  expect(ask('c')).rejects.toMatchObject(full);
  end.resolve();
  await Promise.all(running);
  await Promise.all([ask('a'), ask('a'), ask('c')]);
});

test('a filter made to take minutes ends when its time is over, and others are answered meanwhile', async () => {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${adminKey}` };
  const send = (path: string, body: unknown, more: Record<string, string> = {}) =>
    fetch(`${apps.url}${path}`, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: JSON.stringify(body),
    });
  const meter = { slug: 'slow', eventType: 'slow', aggregation: 'COUNT', groupBy: { text: '$.text' } };
  expect((await send('/api/v1/meters', meter)).status).toBe(201);
  const events = Array.from({ length: 500 }, (_, n) => {
    const data = { text: `${'a'.repeat(1_000)}${n}` };
    return { specversion: '1.0', id: `slow-${n}`, source: 'test', type: 'slow', subject: 'one', data };
  });
  expect((await send('/api/v1/events', events, { Prefer: 'wait=10' })).status).toBe(200);
  const filter = { $or: Array(90).fill({ $like: `%${'a'.repeat(500)}_b%` }) };
  const startedMs = performance.now();
  const slow = send('/api/v1/meters/slow/query', { advancedMeterGroupByFilters: { text: filter } });
  expect((await fetch(`${apps.queryUrl}/health/live`)).status).toBe(200);
  expect(performance.now() - startedMs).toBeLessThan(queryMsMax + 500);
  expect((await slow).status).toBe(503);
  expect(performance.now() - startedMs).toBeLessThan(3 * queryMsMax);
}, 20_000);

describe('in a namespace', () => {
  test('keys: so many active ones; a revoked one makes room', async () => {
    const make = () => {
      const { prefix, hash } = newKeyToken();
      const key = {
        namespace: 'few',
        name: 'x',
        prefix,
        secretHash: hash,
        scopes: ['read'] as const,
        limits: noLimits,
      };
      return createKey(sql, key, 2);
    };
    const made = await Promise.all([make(), make(), make(), make()]);
    const kept = made.filter((key) => key !== undefined);
    expect(kept).toHaveLength(2);
    await revokeKey(sql, 'few', kept[0]!.id);
    expect([await make(), await make()]).toEqual([expect.objectContaining({ namespace: 'few' }), undefined]);
  });

  test('portal tokens: so many a day', async () => {
    const make = (namespace: string) => {
      const token = { namespace, subject: 's', allowedMeterSlugs: undefined, apiKeyId: undefined };
      const expiresAt = new Date(Date.now() + 60_000);
      return createPortalToken(sql, { ...token, secretHash: newPortalToken().hash, expiresAt }, 2);
    };
    const made = [await make('few'), await make('few'), await make('few'), await make('others')];
    expect(made.map((token) => token !== undefined)).toEqual([true, true, false, true]);
    await sql`UPDATE portal_tokens SET id = '01' || substr(id, 3, 1) || '000000' || substr(id, 10) WHERE namespace = 'few'`;
    expect(await make('few')).toBeDefined();
  });
});
