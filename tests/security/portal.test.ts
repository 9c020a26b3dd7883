import { afterAll, beforeAll, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from '../support/apps.ts';

const adminKey = 'the-operators-own-key-0123456789abcdef';
const startMsMax = 60_000;

let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
  for (const slug of ['tokens', 'secret_costs']) {
    const meter = { slug, eventType: 'prompt', aggregation: 'SUM', valueProperty: '$.tokens' };
    expect((await call('POST', '/api/v1/meters', adminKey, meter)).status).toBe(201);
  }
  const events = ['customer-1', 'customer-2', 'customer-2'].map((subject, n) => {
    return { specversion: '1.0', id: `${n}`, source: 'test', type: 'prompt', subject, data: { tokens: 1 } };
  });
  expect((await call('POST', '/api/v1/events', adminKey, events, { Prefer: 'wait=10' })).status).toBe(200);
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

function call(
  method: string,
  path: string,
  key: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  return fetch(apps.url + path, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

async function makeToken(body: unknown, key = adminKey): Promise<{ id: string; token: string }> {
  const response = await call('POST', '/api/v1/portal/tokens', key, body);
  expect(response.status).toBe(200);
  return (await response.json()) as { id: string; token: string };
}

const ask = (token: string, query = '', slug = 'tokens') =>
  call('GET', `/api/v1/portal/meters/${slug}/query${query}`, token);

test('a token shows its subject alone, whatever the query asks for', async () => {
  const { token } = await makeToken({ subject: 'customer-2' });
  for (const query of ['', '?subject=customer-1', '?subject=customer-1&subject=customer-2&groupBy=subject']) {
    const { data } = (await (await ask(token, query)).json()) as {
      data: { subject: string; value: number }[];
    };
    expect(data.map(({ subject, value }) => [subject, value])).toEqual([['customer-2', 2]]);
  }
});

test('a token shows the meters it names alone', async () => {
  const { token } = await makeToken({ subject: 'customer-1', allowedMeterSlugs: ['tokens'] });
  expect((await ask(token)).status).toBe(200);
  expect((await ask(token, '', 'secret_costs')).status).toBe(403);
  const unknown = await call('POST', '/api/v1/portal/tokens', adminKey, {
    subject: 'a',
    allowedMeterSlugs: ['none'],
  });
  expect(unknown.status).toBe(404);
});

test('a token opens nothing else, and a key is no token', async () => {
  const { token } = await makeToken({ subject: 'customer-1' });
  for (const path of [
    '/api/v1/meters',
    '/api/v1/events',
    '/api/v1/meters/tokens/query',
    '/api/v1/portal/tokens',
    '/api/v1/keys',
  ]) {
    expect((await call('GET', path, token)).status).toBe(401);
  }
  expect((await ask(adminKey)).status).toBe(401);
  expect((await ask(`${token.slice(0, -1)}_`)).status).toBe(401);
});

test('it ends by id, by subject, by time and with the key that made it', async () => {
  const [one, two] = [await makeToken({ subject: 'a' }), await makeToken({ subject: 'b' })];
  const end = (body: unknown) => call('POST', '/api/v1/portal/tokens/invalidate', adminKey, body);
  expect((await end({ id: one.id })).status).toBe(204);
  expect([(await ask(one.token)).status, (await ask(two.token)).status]).toEqual([401, 200]);
  expect((await end({ subject: 'b' })).status).toBe(204);
  expect((await ask(two.token)).status).toBe(401);
  expect((await end({})).status).toBe(400);

  const short = await makeToken({ subject: 'c', expiresAt: new Date(Date.now() + 1_000).toISOString() });
  expect((await ask(short.token)).status).toBe(200);
  while ((await ask(short.token)).status === 200) await Bun.sleep(50);
  const listed = (await (await call('GET', '/api/v1/portal/tokens', adminKey)).json()) as {
    id: string;
    expired?: boolean;
  }[];
  expect(listed.find(({ id }) => id === short.id)).toMatchObject({ expired: true, subject: 'c' });
  expect(JSON.stringify(listed)).not.toContain('usage_portal_');

  const made = await call('POST', '/api/v1/keys', adminKey, { name: 'backend', scopes: ['read'] });
  const backend = (await made.json()) as { id: string; key: string };
  const ofBackend = await makeToken({ subject: 'customer-1' }, backend.key);
  expect((await ask(ofBackend.token)).status).toBe(200);
  await call('DELETE', `/api/v1/keys/${backend.id}`, adminKey);
  expect((await ask(ofBackend.token)).status).toBe(401);
});

test.each([
  {},
  { subject: '' },
  { subject: 'a\0' },
  { subject: 'a', allowedMeterSlugs: [] },
  { subject: 'a', expiresAt: '2020-01-01T00:00:00Z' },
  { subject: 'a', expiresAt: '2190-01-01T00:00:00Z' },
])('a token that makes no sense is a 400: %j', async (body) => {
  expect((await call('POST', '/api/v1/portal/tokens', adminKey, body)).status).toBe(400);
});

test('a web page of any origin may ask, and reads why it may not', async () => {
  const path = `${apps.url}/api/v1/portal/meters/tokens/query`;
  const preflight = await fetch(`${path}?windowSize=DAY`, {
    method: 'OPTIONS',
    headers: { Origin: 'https://shop.example' },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toBe('Accept, Authorization, Content-Type');
  const refused = await fetch(path, { headers: { Origin: 'https://shop.example' } });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('access-control-allow-origin')).toBe('*');
  expect((await fetch(`${apps.url}/api/v1/meters`)).headers.has('access-control-allow-origin')).toBe(false);
});

test('OpenMeter’s client makes, lists and ends them', async () => {
  const client = new OpenMeter({ baseUrl: apps.url, apiKey: adminKey });
  const made = (await client.portal.create({ subject: 'sdk', allowedMeterSlugs: ['tokens'] }))!;
  expect(made.token).toStartWith('usage_portal_');
  expect((await client.portal.list())!.some(({ id }) => id === made.id)).toBe(true);
  await client.portal.invalidate({ id: made.id! });
  expect((await ask(made.token!)).status).toBe(401);
});
