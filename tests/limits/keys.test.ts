import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, caller } from './call.ts';

/** Who may do what with limits, and that namespaces don't see each other. */

const adminKey = 'operator-of-the-limits-test-0123456789abcd';
const startMsMax = 60_000;
let apps: RunningApps;
let operator: Call;
const keys = new Map<string, Call>();

beforeAll(async () => {
  apps = await startApps({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
  operator = caller(apps.url, adminKey);
  for (const [namespace, ...scopes] of [
    ['one', 'admin'],
    ['one', 'read'],
    ['one', 'ingest'],
    ['two', 'admin'],
  ]) {
    const { body } = await operator('POST', '/api/v1/keys', { name: 'test', namespace, scopes });
    keys.set(`${namespace} ${scopes[0]}`, caller(apps.url, body.key));
    // The limits service learns of a key by a message of its own.
    const known = caller(apps.limitsUrl, body.key);
    while ((await known('GET', '/api/v1/customers')).status === 401) await Bun.sleep(20);
  }
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

const as = (who: string) => keys.get(who)!;

test('strangers and keys without the scope are refused, by the gateway and by the service itself', async () => {
  const customer = { name: 'a', key: 'a' };
  expect((await caller(apps.url)('GET', '/api/v1/customers')).status).toBe(401);
  expect((await caller(apps.limitsUrl)('GET', '/api/v1/customers')).status).toBe(401);
  expect((await as('one read')('POST', '/api/v1/customers', customer)).status).toBe(403);
  expect((await as('one ingest')('GET', '/api/v1/customers')).status).toBe(403);
  expect((await as('one read')('GET', '/api/v1/audit')).status).toBe(403);
  expect((await as('one read')('GET', '/api/v1/notification/channels')).status).toBe(403);
  expect((await as('one read')('GET', '/api/v1/customers')).status).toBe(200);
  expect((await as('one admin')('POST', '/api/v1/customers', customer)).status).toBe(201);
  const reserve = { featureKey: 'none', amount: 1, lockId: 'x' };
  expect((await as('one read')('POST', '/api/v1/customers/a/reservations', reserve)).status).toBe(403);
  expect((await as('one ingest')('POST', '/api/v1/customers/a/reservations', reserve)).status).toBe(404);
});

test('what one namespace has, the other neither sees nor changes; the audit log names the key', async () => {
  const [one, two] = [as('one admin'), as('two admin')];
  const { body: feature } = await one('POST', '/api/v1/features', { key: 'own', name: 'own' });
  const { body: customer } = await one('POST', '/api/v1/customers', { name: 'b', key: 'b' });
  const { body: entitlement } = await one('POST', '/api/v2/customers/b/entitlements', {
    type: 'boolean',
    featureKey: 'own',
  });
  for (const path of [
    `/api/v1/features/${feature.id}`,
    `/api/v1/customers/${customer.id}`,
    `/api/v1/entitlements/${entitlement.id}`,
    '/api/v1/customers/b/access',
  ]) {
    expect([path, (await one('GET', path)).status]).toEqual([path, 200]);
    expect([path, (await two('GET', path)).status]).toEqual([path, 404]);
  }
  expect((await two('DELETE', `/api/v1/features/${feature.id}`)).status).toBe(404);
  expect((await two('GET', '/api/v1/audit')).body.items).toEqual([]);
  expect((await two('POST', '/api/v1/customers', { name: 'b', key: 'b' })).status).toBe(201);
  const { body } = await one('GET', `/api/v1/audit?resourceId=${feature.id}`);
  expect(body.items).toMatchObject([{ action: 'create', actor: expect.stringMatching(/^key:/) }]);
});
