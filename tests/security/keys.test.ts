import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { Redis } from 'ioredis';
import { withClient } from '../../db/connection/client.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { scopesByRoute } from './scopesByRoute.ts';

/** Keys against the real processes, over HTTP. */
const adminKey = 'the-operators-own-key-0123456789abcdef';
const startMsMax = 60_000;
const revocationMsMax = 5_000;

let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey, LOG_LEVEL: 'debug' });
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

function call(method: string, path: string, key: string | undefined, body?: unknown, origin = apps.url) {
  return fetch(origin + path, {
    method,
    headers: {
      'Content-Type': 'application/json',
      ...(key !== undefined && { Authorization: `Bearer ${key}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function makeKey(key: Record<string, unknown>): Promise<{ id: string; prefix: string; key: string }> {
  const response = await call('POST', '/api/v1/keys', adminKey, { name: 'test', ...key });
  expect(response.status).toBe(201);
  const made = (await response.json()) as { id: string; prefix: string; key: string };
  await knownToQuery(made.key);
  return made;
}

/** The gateway knows a key it has made; the query service learns of it by a nudge, or at its next look. */
async function knownToQuery(key: string): Promise<void> {
  const endMs = performance.now() + revocationMsMax;
  while ((await call('GET', '/api/v1/events', key, undefined, apps.queryUrl)).status === 401) {
    if (performance.now() > endMs) throw new Error(`a new key is not known after ${revocationMsMax} ms`);
  }
}

const event = (id: string, subject = 'customer-1') => ({
  specversion: '1.0',
  id,
  source: 'test',
  type: 'prompt',
  subject,
  data: { tokens: 1 },
});

/** Asks until the answer has this status. */
async function until(status: number, ask: () => Promise<Response>, msMax: number): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const response = await ask();
    await response.arrayBuffer();
    const tookMs = performance.now() - startedMs;
    if (response.status === status) return tookMs;
    if (tookMs > msMax) throw new Error(`still ${response.status} after ${msMax} ms`);
    await Bun.sleep(20);
  }
}

describe('without a good key', () => {
  test('every described route answers 401 with a challenge, on the gateway and on the query service', async () => {
    let asked = 0;
    for (const origin of [apps.url, apps.queryUrl]) {
      const { paths } = (await (await fetch(`${origin}/swagger/json`)).json()) as {
        paths: Record<string, Record<string, { security?: unknown[] }>>;
      };
      for (const [path, operations] of Object.entries(paths)) {
        for (const [method, { security }] of Object.entries(operations)) {
          if (security?.length === 0) continue;
          for (const key of [
            undefined,
            'nonsense',
            `usage_aaaaaaaa_${'x'.repeat(43)}`,
            `${adminKey}0`,
            '"\'; --',
          ]) {
            const response = await call(
              method.toUpperCase(),
              path.replace(/\{\w+\}/g, 'x'),
              key,
              undefined,
              origin,
            );
            expect([method, path, response.status]).toEqual([method, path, 401]);
            expect(response.headers.get('www-authenticate')).toStartWith('Bearer realm="usage"');
            expect(response.headers.get('content-type')).toBe('application/problem+json');
            await response.arrayBuffer();
            asked++;
          }
        }
      }
    }
    expect(asked).toBeGreaterThan(100);
  });

  test('the operations routes are open', async () => {
    for (const path of ['/health/live', '/health/ready', '/metrics', '/swagger/json']) {
      expect((await fetch(apps.url + path)).status).toBe(200);
    }
  });
});

describe('scopes', () => {
  test('a key does what its scopes say, and 403 names the one it lacks', async () => {
    const keys = {
      ingest: await makeKey({ scopes: ['ingest'] }),
      read: await makeKey({ scopes: ['read'] }),
      admin: await makeKey({ scopes: ['admin'] }),
    };
    const routes = scopesByRoute(event);
    const { paths } = (await (await fetch(`${apps.url}/swagger/json`)).json()) as {
      paths: Record<string, Record<string, { security?: object[] }>>;
    };
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(
          ([, { security }]) => security?.length !== 0 && !security?.some((one) => 'portalToken' in one),
        )
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.map(([method, path]) => `${method} ${path}`).sort()).toEqual(described.sort());
    for (const [method, path, body, allowed] of routes) {
      for (const [scope, { key }] of Object.entries(keys)) {
        const response = await call(method, path.replace(/\{\w+\}/g, 'none'), key, body);
        const isAllowed = (allowed as string[]).includes(scope);
        expect([method, path, scope, response.status === 403]).toEqual([method, path, scope, !isAllowed]);
        expect(response.status).not.toBe(401);
        if (!isAllowed) expect(response.headers.get('www-authenticate')).toContain('insufficient_scope');
        await response.arrayBuffer();
      }
    }
  });

  test('the list says when a key was last used', async () => {
    const used = await makeKey({ scopes: ['read'] });
    for (;;) {
      await (await call('GET', '/api/v1/events', used.key)).arrayBuffer();
      const keys = (await (await call('GET', '/api/v1/keys', adminKey)).json()) as {
        id: string;
        lastUsedAt?: string;
      }[];
      const lastUsedAt = keys.find(({ id }) => id === used.id)!.lastUsedAt;
      if (lastUsedAt === undefined) continue; // the apps write it down every few seconds
      expect(Math.abs(Date.now() - Date.parse(lastUsedAt))).toBeLessThan(60_000);
      break;
    }
  });

  test('an admin key makes keys in its own namespace alone; the operator in any', async () => {
    const { key } = await makeKey({ scopes: ['admin'], namespace: 'tenant-a' });
    const own = await call('POST', '/api/v1/keys', key, { name: 'own', scopes: ['read'] });
    expect(await own.json()).toMatchObject({ namespace: 'tenant-a', name: 'own' });
    const other = await call('POST', '/api/v1/keys', key, {
      name: 'x',
      scopes: ['read'],
      namespace: 'default',
    });
    expect(other.status).toBe(403);
    expect((await call('GET', '/api/v1/keys?namespace=default', key)).status).toBe(403);
    const listed = (await (await call('GET', '/api/v1/keys', key)).json()) as { namespace: string }[];
    expect(new Set(listed.map(({ namespace }) => namespace))).toEqual(new Set(['tenant-a']));
    expect(JSON.stringify(listed)).not.toContain(key.slice(-43));
  });
});

describe('namespaces', () => {
  test('the same event ids, meters, subjects and dead letters of two tenants never meet', async () => {
    const tenants = await Promise.all(
      ['tenant-b', 'tenant-c'].map(async (namespace) => {
        const { key } = await makeKey({ scopes: ['ingest', 'read', 'admin'], namespace });
        return { namespace, key };
      }),
    );
    const [b, c] = tenants as [(typeof tenants)[0], (typeof tenants)[0]];
    const meter = { slug: 'tokens', eventType: 'prompt', aggregation: 'SUM', valueProperty: '$.tokens' };
    for (const { key } of tenants)
      expect((await call('POST', '/api/v1/meters', key, meter)).status).toBe(201);
    await call('POST', '/api/v1/subjects', b.key, [{ key: 'only-b' }]);
    for (const [{ key }, ids] of [
      [b, ['1', '2', '3']],
      [c, ['1']],
    ] as const) {
      for (const id of ids) expect((await call('POST', '/api/v1/events', key, event(id))).status).toBe(204);
    }
    const usageOf = async (key: string) => {
      for (;;) {
        const response = await call('GET', '/api/v1/meters/tokens/query', key, undefined, apps.queryUrl);
        const answer = (await response.json()) as { data: { value: number }[] };
        if (response.headers.get('usage-events-waiting') === '0') return answer.data[0]?.value;
      }
    };
    expect([await usageOf(b.key), await usageOf(c.key)]).toEqual([3, 1]);
    expect((await call('GET', '/api/v1/subjects/only-b', c.key)).status).toBe(404);
    const meters = (await (await call('GET', '/api/v1/meters', b.key)).json()) as { id: string }[];
    expect((await call('GET', `/api/v1/meters/${meters[0]!.id}`, c.key)).status).toBe(404);
    expect((await call('GET', `/api/v1/meters/${meters[0]!.id}/query`, c.key)).status).toBe(404);
    expect((await call('DELETE', `/api/v1/meters/${meters[0]!.id}`, c.key)).status).toBe(404);
    const events = (await (await call('GET', '/api/v1/events', c.key)).json()) as unknown[];
    expect(events).toHaveLength(1);
  });
});

describe('dead letters', () => {
  test('a frame that no one can read may hold anybody’s events: the operator alone sees and redrives it', async () => {
    const { key } = await makeKey({ scopes: ['admin'], namespace: 'tenant-d' });
    const redis = new Redis(apps.redis.url);
    await redis.xadd(
      new EventStream(redis).key,
      '*',
      'f',
      Buffer.from('\x09another tenant’s events'),
      'n',
      0,
    );
    redis.disconnect();
    const seenBy = async (asker: string) =>
      ((await (await call('GET', '/api/v1/dead-letters', asker)).json()) as { items: { id: string }[] })
        .items;
    await until(
      200,
      async () => new Response(null, { status: (await seenBy(adminKey)).length > 0 ? 200 : 202 }),
      10_000,
    );
    const [letter] = await seenBy(adminKey);
    expect(letter).toMatchObject({ kind: 'frame' });
    expect(await seenBy(key)).toEqual([]);
    const redrive = await call('POST', '/api/v1/dead-letters/redrive', key, { ids: [letter!.id] });
    expect(await redrive.json()).toEqual({ redriven: 0 });
  });

  test('every issue of a list’s query is named at once', async () => {
    const refused = await call('GET', '/api/v1/dead-letters?limit=0&before=x', adminKey);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      extensions: { validationErrors: [{ field: 'limit' }, { field: 'before' }] },
    });
  });
});

describe('revocation', () => {
  test('holds on the gateway and on the query service at once', async () => {
    const { id, key } = await makeKey({ scopes: ['read'] });
    const ask = (origin: string) => () => call('GET', '/api/v1/events', key, undefined, origin);
    await until(200, ask(apps.queryUrl), revocationMsMax);
    expect((await call('DELETE', `/api/v1/keys/${id}`, adminKey)).status).toBe(204);
    expect((await ask(apps.url)()).status).toBe(401);
    await until(401, ask(apps.queryUrl), revocationMsMax);
    const listed = (await (await call('GET', '/api/v1/keys', adminKey)).json()) as {
      id: string;
      revokedAt?: string;
    }[];
    expect(listed.find((one) => one.id === id)?.revokedAt).toBeString();
  });

  test('by the command, which tells nobody: everywhere within 5 s, without a word from Redis', async () => {
    const made = await runKeys('create', '--name', 'by command', '--scopes', 'read');
    const key = made.stdout.trim();
    expect(key).toMatch(/^usage_[a-z0-9]{8}_[\w-]{43}$/);
    const ask = (origin: string) => () => call('GET', '/api/v1/events', key, undefined, origin);
    await until(200, ask(apps.url), revocationMsMax);
    await until(200, ask(apps.queryUrl), revocationMsMax);
    expect((await runKeys('list')).stdout).not.toContain(key.slice(15));
    expect((await runKeys('revoke', key.slice(6, 14))).exitCode).toBe(0);
    await Promise.all([
      until(401, ask(apps.url), revocationMsMax),
      until(401, ask(apps.queryUrl), revocationMsMax),
    ]);
  });
});

describe('while PostgreSQL is away', () => {
  test('keys that are known go on sending events, unknown ones do not get in', async () => {
    const { key } = await makeKey({ scopes: ['ingest'] });
    const name = new URL(apps.database.url).pathname.slice(1);
    await closeDatabase(name, true);
    try {
      for (let n = 0; n < 20; n++) {
        expect((await call('POST', '/api/v1/events', key, event(`away-${n}`))).status).toBe(204);
        expect((await call('POST', '/api/v1/events', `${key.slice(0, -1)}_`, event('x'))).status).toBe(401);
        await Bun.sleep(100);
      }
      expect((await call('POST', '/api/v1/keys', adminKey, { name: 'x', scopes: ['read'] })).status).toBe(
        503,
      );
    } finally {
      await closeDatabase(name, false);
    }
    const { key: next } = await makeKey({ scopes: ['ingest'] });
    expect((await call('POST', '/api/v1/events', next, event('back'))).status).toBe(204);
  });
});

describe('secrets', () => {
  test('no table holds a key or a portal token, only their SHA-256', async () => {
    const { id, key } = await makeKey({ scopes: ['read'] });
    const made = await call('POST', '/api/v1/portal/tokens', key, { subject: 'customer-1' });
    const { token } = (await made.json()) as { token: string };
    const rows = await withClient(apps.database.url, async (client) => {
      const { rows } = await client.query(`
        SELECT to_jsonb(k)::text AS row FROM api_keys k UNION ALL SELECT to_jsonb(t)::text FROM portal_tokens t`);
      return rows.map(({ row }: { row: string }) => row).join('\n');
    });
    for (const secret of [key, token]) {
      expect(rows).not.toContain(secret.slice(-43));
      expect(rows).toContain(new Bun.CryptoHasher('sha256').update(secret).digest('hex'));
    }
    expect(rows).toContain(id);
  });

  test('no key is in the logs, the metrics, an answer or Redis', async () => {
    const { key } = await makeKey({ scopes: ['ingest', 'read'] });
    await call('POST', '/api/v1/events', key, event('secrets'));
    await call('GET', '/api/v1/meters/none/query', key);
    await call('GET', '/api/v1/events', `${key}x`);
    const redis = new Redis(apps.redis.url);
    const inRedis = (await redis.keys('*')).join();
    redis.disconnect();
    const seen = [
      ...apps.logLines(),
      await (await fetch(`${apps.url}/metrics`)).text(),
      await (await fetch(`${apps.queryUrl}/metrics`)).text(),
      await (await fetch(`${apps.url}/swagger/json`)).text(),
      await (await call('GET', '/api/v1/keys', adminKey)).text(),
      inRedis,
    ].join('\n');
    for (const secret of [key.slice(15), adminKey]) expect(seen).not.toContain(secret);
    expect(seen).toContain(key.slice(6, 14));
  });
});

/** As if the server were away for the apps: every connection is ended, and new ones are refused until it is opened. */
async function closeDatabase(name: string, closed: boolean): Promise<void> {
  const admin = new URL(apps.database.url);
  admin.pathname = '/postgres';
  await withClient(admin.href, async (client) => {
    await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS ${!closed}`);
    if (closed)
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  });
}

async function runKeys(...args: string[]) {
  const child = Bun.spawn([process.execPath, 'scripts/keys.ts', ...args], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, DATABASE_URL: apps.database.url },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { stdout, stderr, exitCode: await child.exited };
}
