import { afterAll, beforeAll, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, caller } from './call.ts';

/** Customers, by OpenMeter's client and by hand, through the gateway against the real processes. */

let apps: RunningApps;
let client: OpenMeter;
let call: Call;
const startMsMax = 30_000;

beforeAll(async () => {
  apps = await startApps();
  client = new OpenMeter({ baseUrl: apps.url });
  call = caller(apps.url);
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

const acme = {
  name: 'ACME Inc.',
  key: 'acme',
  usageAttribution: { subjectKeys: ['acme-api', 'acme-batch'] },
  metadata: { plan: 'pro' },
  currency: 'USD',
  primaryEmail: 'billing@acme.example',
  billingAddress: { country: 'US' as const, city: 'Springfield' },
};

test('customers are created, found by id and key, listed, replaced and deleted', async () => {
  const created = (await client.customers.create(acme))!;
  expect(created).toMatchObject(acme);
  expect(created.createdAt).toBeInstanceOf(Date);
  expect(await client.customers.get('acme')).toEqual(created);
  expect(await client.customers.get(created.id)).toEqual(created);
  const other = (await client.customers.create({ name: 'Other', key: 'other' }))!;
  expect(await client.customers.list({ key: 'ACM' })).toMatchObject({
    totalCount: 1,
    items: [{ key: 'acme' }],
  });
  expect(await client.customers.list({ subject: 'batch' })).toMatchObject({ items: [{ key: 'acme' }] });
  expect(await client.customers.list({ pageSize: 1, page: 2 })).toMatchObject({
    totalCount: 2,
    page: 2,
    pageSize: 1,
    items: [{ key: 'other' }],
  });

  const replaced = await client.customers.update('acme', {
    name: 'ACME',
    key: 'acme',
    usageAttribution: { subjectKeys: ['acme-api'] },
  });
  expect(replaced).toMatchObject({
    id: created.id,
    name: 'ACME',
    usageAttribution: { subjectKeys: ['acme-api'] },
  });
  expect(replaced!.metadata).toBeUndefined();

  await client.customers.delete(other.id);
  expect(await client.customers.get('other').catch((error) => error)).toMatchObject({ status: 404 });
  expect((await client.customers.get(other.id))!.deletedAt).toBeInstanceOf(Date);
  expect(await client.customers.list()).toMatchObject({ totalCount: 1 });
  expect(await client.customers.list({ includeDeleted: true })).toMatchObject({ totalCount: 2 });
  await client.customers.delete('acme');
});

test('a subject belongs to one customer at most; a deleted customer sets its subjects free', async () => {
  const create = (key: string, subjectKeys: string[]) =>
    call('POST', '/api/v1/customers', { name: key, key, usageAttribution: { subjectKeys } });
  expect((await create('first', ['s1', 's2'])).status).toBe(201);
  const taken = await create('second', ['s2', 's3']);
  expect([taken.status, taken.body.detail]).toEqual([409, expect.stringContaining('"s2"')]);
  expect((await create('s1', [])).status).toBe(409);
  expect((await create('first', ['s9'])).status).toBe(409);
  expect((await call('GET', '/api/v1/customers/second')).status).toBe(404);
  const races = await Promise.all(Array.from({ length: 8 }, (_, i) => create(`racer-${i}`, ['the-one'])));
  expect(races.filter(({ status }) => status === 201)).toHaveLength(1);
  await call('DELETE', '/api/v1/customers/first');
  expect((await create('second', ['s2', 's3'])).status).toBe(201);
});

test('faults of a customer are all named with their place, unknown fields among them', async () => {
  const { status, body } = await call('POST', '/api/v1/customers', {
    key: '',
    usageAttribution: { subjectKeys: ['', 'a'] },
    currency: 'dollars',
    metadata: { a: 1 },
    plan: 'pro',
  });
  expect(status).toBe(400);
  const fields = body.extensions.validationErrors.map(({ field }: { field: string }) => field).sort();
  expect(fields).toEqual([
    'currency',
    'key',
    'metadata.a',
    'name',
    'plan',
    'usageAttribution.subjectKeys[0]',
  ]);
  expect((await call('POST', '/api/v1/customers', { name: 'nobody' })).body.detail).toContain('needs a key');
  expect((await call('POST', '/api/v1/customers', { name: 'a\0b', key: 'k' })).status).toBe(400);
});

test('parts of billing say that they are not part of this system', async () => {
  for (const [method, path] of [
    ['GET', 'stripe'],
    ['PUT', 'stripe'],
    ['POST', 'stripe/portal'],
    ['GET', 'apps'],
    ['DELETE', 'apps/x'],
    ['GET', 'subscriptions'],
  ] as const) {
    const { status, body } = await call(method, `/api/v1/customers/acme/${path}`);
    expect([status, body.detail]).toEqual([501, expect.stringContaining('docs/limits.md')]);
  }
});

test('every change is in the audit log, which refuses to be changed', async () => {
  const { body: made } = await call('POST', '/api/v1/customers', { name: 'Audited', key: 'audited' });
  await call('PUT', '/api/v1/customers/audited', { name: 'Renamed', key: 'audited' });
  await call('DELETE', '/api/v1/customers/audited');
  const { body } = await call('GET', `/api/v1/audit?resourceId=${made.id}&limit=2`);
  expect(body.items).toMatchObject([
    { action: 'delete', actor: 'operator', resource: 'customer', before: { name: 'Renamed' } },
    { action: 'update', before: { name: 'Audited' }, after: { name: 'Renamed' } },
  ]);
  const rest = await call('GET', `/api/v1/audit?resourceId=${made.id}&cursor=${body.nextCursor}`);
  expect(rest.body.items).toMatchObject([{ action: 'create', after: { name: 'Audited' } }]);
});
