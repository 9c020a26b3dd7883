import { afterAll, beforeAll, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, caller, settled } from './call.ts';

/** Customers, by OpenMeter's client and by hand, through the gateway against the real processes. */

let apps: RunningApps;
let client: OpenMeter;
let call: Call;
const startMsMax = 60_000;

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

test('issues of a customer are all named with their place, unknown fields among them', async () => {
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

test('usage of a customer is that of its subjects together, for every aggregation and in lists of events', async () => {
  for (const [slug, aggregation] of [
    ['sum', 'SUM'],
    ['uniques', 'UNIQUE_COUNT'],
    ['latest', 'LATEST'],
  ] as const)
    await client.meters.create({
      slug,
      aggregation,
      eventType: 'call',
      valueProperty: '$.v',
      groupBy: { model: '$.m' },
    });
  const make = (key: string, subjectKeys: string[]) =>
    client.customers.create({ name: key, key, usageAttribution: { subjectKeys } });
  const [one, two] = [(await make('u1', ['a', 'b']))!, (await make('u2', ['c']))!];
  const time = Date.parse('2026-03-01T10:00:00Z');
  const events = ['a', 'b', 'u1', 'c', 'stranger'].map((subject, i) => ({
    type: 'call',
    source: 'test',
    subject,
    time: new Date(time + i * 1_000),
    data: { v: i < 2 ? 0.1 : i, m: 'x' },
  }));
  await client.events.ingest(events);
  await settled(apps.url, 'sum');
  const asked = async (slug: string, more: object = {}) =>
    (await client.meters.query(slug, { filterCustomerId: [one.id, two.id], ...more }))!.data.map(
      ({ customerId, subject, value }) => [customerId === one.id ? 'u1' : 'u2', subject, value],
    );
  expect(await asked('sum')).toEqual([
    ['u1', null, 2.2],
    ['u2', null, 3],
  ]);
  expect(await asked('uniques', { groupBy: ['customer_id', 'model'] })).toEqual([
    ['u1', null, 2],
    ['u2', null, 1],
  ]);
  expect(await asked('latest')).toEqual([
    ['u1', null, 2],
    ['u2', null, 3],
  ]);
  expect(await asked('sum', { subject: ['a', 'c'] })).toEqual([
    ['u1', 'a', 0.1],
    ['u2', 'c', 3],
  ]);
  const csv = await fetch(`${apps.url}/api/v1/meters/sum/query?filterCustomerId=${two.id}`, {
    headers: { Accept: 'text/csv' },
  });
  expect(await csv.text()).toContain(`,${two.id},3\r\n`);
  const v3 = await call('POST', '/api/v3/openmeter/meters/sum/query', {
    filters: { dimensions: { customer_id: { eq: one.id } } },
  });
  expect(v3.body.data).toMatchObject([{ value: '2.2', dimensions: { customer_id: one.id } }]);
  const listed = await call('GET', `/api/v1/events?from=2026-01-01T00:00:00Z&customerId=${one.id}`);
  expect(listed.body.map(({ event }: { event: { subject: string } }) => event.subject).sort()).toEqual([
    'a',
    'b',
    'u1',
  ]);
  const filter = encodeURIComponent(JSON.stringify({ customerId: { $in: [two.id] } }));
  expect((await call('GET', `/api/v2/events?filter=${filter}`)).body.items).toHaveLength(1);
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

test('lists take every parameter that OpenMeter’s do; what billing would answer says that it is not part of this system', async () => {
  const lists = {
    '/api/v1/entitlements':
      'feature=a&feature=b&subject=a&entitlementType=metered&entitlementType=static&excludeInactive=true&page=1&pageSize=10&order=DESC&orderBy=updatedAt',
    '/api/v1/entitlements?limit=2&offset=0&excludeInactive': '=false',
    '/api/v2/entitlements':
      'feature=a&customerKeys=a&customerIds=b&entitlementType=boolean&excludeInactive=true&page=1&pageSize=10&limit=5&offset=3',
    '/api/v1/grants': 'feature=a&subject=b&includeDeleted=true&limit=5&offset=3&order=ASC&orderBy=id',
    '/api/v2/grants': 'feature=a&customer=b&includeDeleted=true&page=1&pageSize=2',
    '/api/v1/features': 'meterSlug=a&includeArchived=true&limit=5&offset=0&order=DESC&orderBy=name',
    '/api/v1/customers':
      'key=a&name=b&primaryEmail=c&subject=d&includeDeleted=true&page=1&pageSize=2&orderBy=name',
    '/api/v1/notification/channels':
      'includeDeleted=true&includeDisabled=true&page=1&pageSize=2&orderBy=type',
    '/api/v1/notification/rules': 'feature=a&channel=b&includeDisabled=true&order=DESC',
    '/api/v1/notification/events':
      'from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&feature=a&subject=b&rule=c&channel=d&orderBy=createdAt',
  };
  for (const [path, query] of Object.entries(lists)) {
    const url = query.startsWith('=') ? path + query : `${path}?${query}`;
    expect([url, (await call('GET', url)).status]).toEqual([url, 200]);
  }
  for (const path of ['/api/v1/customers?expand=subscriptions', '/api/v1/customers?planKey=pro']) {
    const { status, body } = await call('GET', path);
    expect([path, status, body.code]).toEqual([path, 501, 'not_implemented']);
  }
  const { status, body } = await call(
    'GET',
    '/api/v1/entitlements?entitlementType=metred&pageSize=0&colour=red',
  );
  expect(status).toBe(400);
  const named = body.extensions.validationErrors.map(({ field }: { field: string }) => field);
  expect(named).toEqual(expect.arrayContaining(['entitlementType[0]', 'pageSize', 'colour']));
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
