import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RunningApps, startApps } from './support/apps.ts';

/** OpenMeter's v3 words around the same services, over gateway and query service. */
const startMsMax = 60_000;
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return fetch(`${apps.url}/api/v3/openmeter${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

const meter = {
  key: 'tokens',
  name: 'Tokens',
  aggregation: 'sum',
  event_type: 'prompt',
  value_property: '$.tokens',
  dimensions: { model: '$.model' },
  labels: { owner: 'billing' },
};

test('meters are made, listed, got, changed and deleted', async () => {
  const made = await call('POST', '/meters', { ...meter, key: 'passing' });
  expect(made.status).toBe(201);
  const created = (await made.json()) as { id: string };
  expect(created).toMatchObject({ ...meter, key: 'passing', created_at: expect.any(String) });
  expect(await (await call('GET', `/meters/${created.id}`)).json()).toEqual(created);
  expect(await (await call('GET', '/meters')).json()).toEqual({
    data: [created],
    meta: { page: { number: 1, size: 100, total: 1 } },
  });
  const changed = await call('PUT', `/meters/${created.id}`, { name: 'New', dimensions: { type: '$.type' } });
  expect(await changed.json()).toMatchObject({ name: 'New', dimensions: { type: '$.type' } });
  expect((await call('DELETE', `/meters/${created.id}`)).status).toBe(204);
  expect((await call('POST', '/meters', { ...meter, aggregation: 'median' })).status).toBe(400);
});

test('meters are listed by filter, sort and page', async () => {
  for (const [key, name] of [
    ['list_a', 'Zeta'],
    ['list_b', 'Alpha'],
    ['list_c', 'Beta'],
  ])
    await call('POST', '/meters', { ...meter, key, name });
  const keys = async (query: string) =>
    ((await (await call('GET', `/meters?${query}`)).json()) as { data: { key: string }[] }).data.map(
      ({ key }) => key,
    );
  const own = 'filter[key][contains]=list_';
  expect(await keys(own)).toEqual(['list_a', 'list_b', 'list_c']);
  expect(await keys(`${own}&sort=name`)).toEqual(['list_b', 'list_c', 'list_a']);
  expect(await keys(`${own}&sort=key%20desc&page[size]=2`)).toEqual(['list_c', 'list_b']);
  expect(await keys(`${own}&page[size]=2&page[number]=2`)).toEqual(['list_c']);
  expect(await keys('filter[name][oeq]=Alpha,Zeta')).toEqual(['list_a', 'list_b']);
  for (const key of ['list_a', 'list_b', 'list_c']) await call('DELETE', `/meters/${key}`);
});

test('errors have OpenMeter’s v3 shape, in v3’s words', async () => {
  const { key: _, ...unnamed } = meter;
  const response = await call('POST', '/meters', { ...unnamed, value_property: 'tokens', eventType: 'x' });
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as { invalid_parameters: { field: string }[] };
  expect(problem).toMatchObject({ type: 'https://kongapi.info/konnect/bad-request', status: 400 });
  expect(problem.invalid_parameters as object[]).toEqual([
    { field: 'eventType', reason: expect.stringContaining('did you mean event_type?'), source: 'body' },
    { field: 'key', reason: 'is required', source: 'body' },
    { field: 'value_property', reason: expect.any(String), source: 'body' },
  ]);
  const query = (await (await call('GET', '/meters?sort=size')).json()) as object;
  expect(query).toMatchObject({ invalid_parameters: [{ field: 'sort', source: 'query' }] });
  const missing = (await (await call('GET', '/meters/nope')).json()) as object;
  expect(missing).toMatchObject({ type: 'https://kongapi.info/konnect/not-found', status: 404 });
});

test.each([
  ['PUT', '/meters/none_such', { name: 'X' }, 404],
  ['POST', '/meters', { ...meter, key: 'x', labels: { openmeter_x: 'y' } }, 400],
  ['POST', '/meters', { ...meter, key: 'x', labels: { team: 'a b' } }, 400],
  ['POST', '/meters', { ...meter, key: 'x', labels: { team: 'a-b.c_1' } }, 201],
  ['POST', '/meters', { ...meter, key: 'y', aggregation: 'sum', time_unit: 'HOUR' }, 400],
  ['POST', '/meters', { ...meter, key: 'y', aggregation: 'weighted_sum', time_unit: 'HOUR' }, 201],
  ['DELETE', '/meters/y', undefined, 204],
  ['PUT', '/meters/x', { dimensions: { model: '$.m' } }, 400],
  ['PUT', '/meters/x', { name: 'X', value_property: '$.y' }, 400],
  ['PUT', '/meters/x', { name: 'X' }, 200],
  ['DELETE', '/meters/x', undefined, 204],
])('%s %s %j: %d', async (method, path, body, status) => {
  expect((await call(method, path, body)).status).toBe(status);
});

test('an event without specversion is one of 1.0', async () => {
  const event = { id: 'unversioned', source: 'v3', type: 'unversioned', subject: 'a', data: { tokens: 1 } };
  expect((await call('POST', '/events', [event], { Prefer: 'wait=20' })).status).toBe(200);
  const listed = await (await call('GET', '/events?filter[type][eq]=unversioned')).json();
  expect(listed).toMatchObject({ data: [{ event: { ...event, specversion: '1.0' } }] });
  const v1 = await fetch(`${apps.url}/api/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(event),
  });
  expect(v1.status).toBe(400);
});

test('events are taken with 202, and queried exactly, as texts', async () => {
  expect((await call('POST', '/meters', meter)).status).toBe(201);
  const event = (
    id: string,
    subject: string,
    tokens: unknown,
    model: string,
    time = '2026-03-29T10:20:30Z',
  ) => {
    return { specversion: '1.0', id, source: 'v3', type: 'prompt', subject, time, data: { tokens, model } };
  };
  expect((await call('POST', '/events', event('0', 'a', '0.1', 'small'))).status).toBe(202);
  const more = [
    event('1', 'a', '0.2', 'large'),
    event('2', 'b', '12345678901234567890.5', 'large_1', '2026-03-29T23:30:00Z'),
  ];
  expect((await call('POST', '/events', more, { Prefer: 'wait=20' })).status).toBe(200);

  const query = async (body: unknown) => {
    const response = await call('POST', '/meters/tokens/query', body);
    const answer = (await response.json()) as { data: { value: string; from: string; dimensions: object }[] };
    expect([response.status, answer]).toMatchObject([200, {}]);
    return answer.data;
  };
  expect((await query({})).map(({ value }) => value)).toEqual(['12345678901234567890.8']);
  const days = await query({
    from: '2026-03-28T23:00:00Z',
    to: '2026-03-30T22:00:00Z',
    granularity: 'P1D',
    time_zone: 'Europe/Berlin',
    group_by_dimensions: ['subject', 'model'],
  });
  expect(days.map(({ value, from, dimensions }) => [value, from, dimensions])).toEqual([
    ['0.2', '2026-03-28T23:00:00Z', { subject: 'a', model: 'large' }],
    ['0.1', '2026-03-28T23:00:00Z', { subject: 'a', model: 'small' }],
    ['12345678901234567890.5', '2026-03-29T22:00:00Z', { subject: 'b', model: 'large_1' }],
  ]);
  const values = async (dimensions: unknown) =>
    (await query({ filters: { dimensions } })).map(({ value }) => value);
  expect(await values({ subject: { eq: 'a' } })).toEqual(['0.3']);
  expect(await values({ model: { in: ['small', 'none'] } })).toEqual(['0.1']);
  expect(await values({ model: { contains: 'e_' } })).toEqual(['12345678901234567890.5']);
  expect(await values({ model: { or: [{ eq: 'small' }, { eq: 'large' }] } })).toEqual(['0.3']);
  expect(await values({ model: { exists: false } })).toEqual([]);
  const table = await call(
    'POST',
    '/meters/tokens/query',
    { group_by_dimensions: ['subject'] },
    { Accept: 'text/csv' },
  );
  expect(table.headers.get('content-type')).toStartWith('text/csv');
  expect((await table.text()).split('\r\n').slice(0, 2)).toEqual([
    'from,to,subject,value',
    '2026-03-29T10:20:00Z,2026-03-29T10:21:00Z,a,0.3',
  ]);
  const counted = await (await fetch(`${apps.url}/api/v1/debug/metrics`)).text();
  expect(counted).toEndWith('# EOF\n');
  const progress = await (await fetch(`${apps.url}/api/v1/info/progress/tokens`)).json();
  expect(progress).toMatchObject({ failed: 0, updatedAt: expect.any(String) });
});

test.each([
  [{ granularity: 'P2W' }, 'granularity'],
  [{ nonsense: 1 }, 'nonsense'],
  [{ filters: { dimensions: { customer_id: { eq: 'x' } } } }, 'customers that are not there'],
  [{ filters: { dimensions: { model: { eq: 'a', neq: 'b' } } } }, 'one operator'],
  [{ filters: { dimensions: { subject: { contains: 'a' } } } }, 'eq or in'],
  [{ group_by_dimensions: ['nope'] }, 'nope'],
])('%j is a 400 that says why', async (body, word) => {
  const response = await call('POST', '/meters/tokens/query', body);
  expect(response.status).toBe(400);
  expect(((await response.json()) as { detail: string }).detail).toContain(word);
});
