import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createManagementApi, type ManagementApi } from './support/management.ts';

let api: ManagementApi;
let call: ManagementApi['call'];

beforeAll(async () => {
  api = await createManagementApi();
  call = api.call;
});
afterAll(() => api.drop());
beforeEach(async () => {
  await api.sql`TRUNCATE subjects`;
});

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const ulid = expect.stringMatching(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);

describe('/api/v1/subjects', () => {
  const ada = {
    key: 'ada/1 ü',
    displayName: 'Ada',
    metadata: { plan: { seats: 3 } },
    stripeCustomerId: 'cus_1',
  };

  test('are created and changed in the fields that are given, in the order of the request', async () => {
    const first = await call('POST', '/api/v1/subjects', [ada, { key: 'bob' }]);
    expect(first.status).toBe(200);
    expect(first.body).toEqual([
      { ...ada, id: ulid, createdAt: time, updatedAt: time },
      { key: 'bob', id: ulid, createdAt: time, updatedAt: time },
    ]);
    const period = { currentPeriodStart: '2026-01-01T00:00:00Z', currentPeriodEnd: '2026-02-01T00:00:00.5Z' };
    const second = await call('POST', '/api/v1/subjects', [
      { key: 'bob', displayName: 'Bob', ...period },
      { key: ada.key, displayName: null },
    ]);
    expect(second.body).toEqual([
      {
        ...first.body[1],
        displayName: 'Bob',
        currentPeriodStart: '2026-01-01T00:00:00Z',
        currentPeriodEnd: '2026-02-01T00:00:00.500Z',
        updatedAt: time,
      },
      { ...first.body[0], displayName: undefined, updatedAt: time },
    ]);
  });

  test('are found by key and id, listed by key, deleted', async () => {
    const [a, b] = (await call('POST', '/api/v1/subjects', [ada, { key: 'Bob' }])).body;
    const path = `/api/v1/subjects/${encodeURIComponent(ada.key)}`;
    expect((await call('GET', path)).body).toEqual(a);
    expect((await call('GET', `/api/v1/subjects/${a.id}`)).body).toEqual(a);
    expect((await call('GET', '/api/v1/subjects')).body).toEqual([b, a]);
    const page = await call('GET', '/api/v1/subjects?pageSize=1');
    expect(page.headers.get('link')).toBe('</api/v1/subjects?page=2&pageSize=1>; rel="next"');
    expect((await call('GET', '/api/v1/subjects', undefined, { 'x-namespace': 'other' })).body).toEqual([]);
    expect((await call('DELETE', path)).status).toBe(204);
    for (const method of ['GET', 'DELETE']) expect((await call(method, path)).status).toBe(404);
    expect((await call('GET', '/api/v1/subjects/%00')).status).toBe(404);
  });

  test('are all refused when one of them is wrong, every issue with its place', async () => {
    const { status, body } = await call('POST', '/api/v1/subjects', [
      { key: 'ok' },
      { displayName: 7, plan: 'pro' },
      { key: '', stripeCustomerId: 'x', currentPeriodStart: 'now' },
      { key: 'ok', metadata: { a: ['\0'] } },
      'subject',
    ]);
    expect(status).toBe(400);
    expect(body.extensions.validationErrors.map(({ field }: { field: string }) => field)).toEqual([
      '[1].plan',
      '[1].key',
      '[1].displayName',
      '[2].key',
      '[2].currentPeriodStart',
      '[2].stripeCustomerId',
      '[3].metadata',
      '[3].key',
      '[4]',
    ]);
    expect((await call('GET', '/api/v1/subjects')).body).toEqual([]);
    expect((await call('POST', '/api/v1/subjects', { key: 'a' })).status).toBe(400);
    expect((await call('POST', '/api/v1/subjects', [])).body).toEqual([]);
  });

  test('of the same keys, in opposite order, from many requests at once, do not wait for each other in a ring', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => ({ key: `k${i}`, displayName: 'x' }));
    const calls = Array.from({ length: 8 }, (_, i) =>
      call('POST', '/api/v1/subjects', i % 2 ? keys : keys.toReversed()),
    );
    for (const { status, body } of await Promise.all(calls)) {
      expect([status, body.length]).toEqual([200, 200]);
    }
  });
});
