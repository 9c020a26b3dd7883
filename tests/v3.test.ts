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
