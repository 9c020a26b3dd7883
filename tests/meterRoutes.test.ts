import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createManagementApi, type ManagementApi, problemType } from './support/management.ts';

let api: ManagementApi;
let call: ManagementApi['call'];

beforeAll(async () => {
  api = await createManagementApi();
  call = api.call;
});
afterAll(() => api.drop());
beforeEach(async () => {
  await api.sql`TRUNCATE meters, batches CASCADE`;
});

const tokens = {
  slug: 'tokens_total',
  name: 'Tokens Total',
  description: 'AI Token Usage',
  eventType: 'prompt',
  eventFrom: '2023-01-01T02:01:01.001+01:00',
  aggregation: 'SUM',
  valueProperty: '$.tokens',
  groupBy: { model: '$.model', type: '$.type' },
  metadata: { externalId: '7' },
};
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const ulid = expect.stringMatching(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);

describe('POST /api/v1/meters', () => {
  test('answers 201 with every field of the wire format and no other', async () => {
    const { status, type, body } = await call('POST', '/api/v1/meters', tokens);
    expect(status).toBe(201);
    expect(type).toStartWith('application/json');
    expect(body).toEqual({
      ...tokens,
      id: ulid,
      eventFrom: '2023-01-01T01:01:01.001Z',
      createdAt: time,
      updatedAt: time,
    });
  });

  test('leaves out what is not set, and names a meter without a name by its slug', async () => {
    const { body } = await call('POST', '/api/v1/meters', {
      slug: 'calls',
      eventType: 'request',
      aggregation: 'COUNT',
      groupBy: {},
      metadata: null,
    });
    expect(body).toEqual({
      id: ulid,
      slug: 'calls',
      name: 'calls',
      eventType: 'request',
      aggregation: 'COUNT',
      createdAt: time,
      updatedAt: time,
    });
  });

  test('answers with the time unit of a level', async () => {
    const level = { ...tokens, slug: 'seat_hours', aggregation: 'WEIGHTED_SUM', timeUnit: 'HOUR' };
    expect((await call('POST', '/api/v1/meters', level)).body).toMatchObject({
      aggregation: 'WEIGHTED_SUM',
      timeUnit: 'HOUR',
    });
    await call('DELETE', '/api/v1/meters/seat_hours');
  });

  test('answers 400 with every issue by its field', async () => {
    const { status, type, body } = await call('POST', '/api/v1/meters', {
      slug: 'Tokens',
      eventType: 'prompt',
      aggregation: 'SUM',
      groupBy: { 'a-b': '$..x' },
      colour: 'red',
    });
    expect(status).toBe(400);
    expect(type).toBe(problemType);
    expect(body).toMatchObject({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      code: 'bad_request',
    });
    const fields = body.extensions.validationErrors.map(({ field }: { field: string }) => field);
    expect(fields).toEqual(['colour', 'slug', 'valueProperty', 'groupBy.a-b', 'groupBy.a-b']);
    expect(body.detail).toStartWith('The meter is not valid: colour is not a field that can be set');
  });

  test('answers 409 for a slug that is taken', async () => {
    await call('POST', '/api/v1/meters', tokens);
    const { status, type, body } = await call('POST', '/api/v1/meters', { ...tokens, eventType: 'other' });
    expect([status, type, body.code]).toEqual([409, problemType, 'conflict']);
    expect(body.detail).toContain('tokens_total');
  });

  test.each([
    ['nothing', '', 400],
    ['no JSON', '{"slug": }', 400],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400],
    ['JSON nested too deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400],
    ['an array', [tokens], 400],
    ['too much', { ...tokens, description: 'x'.repeat(3_000_000) }, 413],
  ])('refuses %s', async (_, body, expected) => {
    const { status, type } = await call('POST', '/api/v1/meters', body);
    expect([status, type]).toEqual([expected, problemType]);
  });

  test('refuses other media types with 415, whatever parameters JSON comes with', async () => {
    const as = async (type: string) =>
      (await call('POST', '/api/v1/meters', { ...tokens, slug: 'x' }, { 'Content-Type': type })).status;
    expect(await as('text/plain')).toBe(415);
    expect(await as('application/x-www-form-urlencoded')).toBe(415);
    expect(await as('application/json; charset=iso-8859-1')).toBe(415);
    expect(await as('Application/JSON; charset="UTF-8"')).toBe(201);
  });
});

describe('GET /api/v1/meters', () => {
  test('lists the meters of the namespace, by key', async () => {
    for (const slug of ['b', 'a']) await call('POST', '/api/v1/meters', { ...tokens, slug });
    await call('POST', '/api/v1/meters', { ...tokens, slug: 'c' }, { 'x-namespace': 'other' });
    const list = async (query = '') =>
      (await call('GET', `/api/v1/meters${query}`)).body.map(({ slug }: { slug: string }) => slug);
    expect(await list()).toEqual(['a', 'b']);
    expect(await list('?order=DESC&orderBy=createdAt')).toEqual(['a', 'b']);
    expect(await list('?page=2&pageSize=1')).toEqual(['b']);
    await call('DELETE', '/api/v1/meters/a');
    expect(await list()).toEqual(['b']);
    expect(await list('?includeDeleted=true')).toEqual(['a', 'b']);
    const { body } = await call('GET', '/api/v1/meters?includeDeleted=true');
    expect(body[0].deletedAt).toEqual(time);
  });

  test('refuses wrong parameters, all named', async () => {
    const { status, body } = await call(
      'GET',
      '/api/v1/meters?page=0&pageSize=1001&orderBy=id;--&order=up&includeDeleted=1',
    );
    expect(status).toBe(400);
    expect(body.extensions.validationErrors.map(({ field }: { field: string }) => field)).toEqual([
      'page',
      'pageSize',
      'orderBy',
      'order',
      'includeDeleted',
    ]);
  });
});

describe('/api/v1/meters/{meterIdOrSlug}', () => {
  test('is found by slug and by id, not from another namespace', async () => {
    const { body } = await call('POST', '/api/v1/meters', tokens);
    expect((await call('GET', '/api/v1/meters/tokens_total')).body).toEqual(body);
    expect((await call('GET', `/api/v1/meters/${body.id}`)).body).toEqual(body);
    const other = { 'x-namespace': 'other' };
    for (const [method, sent] of [['GET'], ['PUT', {}], ['DELETE']] as const) {
      expect((await call(method, `/api/v1/meters/${body.id}`, sent, other)).status).toBe(404);
    }
  });

  test.each(['nope', 'no-such-meter', '%00', '%zz', '%ff', "a'%20OR%20'1'='1", 'x'.repeat(5_000)])(
    'that is not there is 404: %p',
    async (name) => {
      for (const [method, sent] of [['GET'], ['PUT', {}], ['DELETE']] as const) {
        const { status, type } = await call(method, `/api/v1/meters/${name}`, sent);
        expect([status, type]).toEqual([404, problemType]);
      }
    },
  );

  test('is replaced by PUT: what is left out goes to its default, but for the description', async () => {
    const created = (await call('POST', '/api/v1/meters', tokens)).body;
    const changed = await call('PUT', '/api/v1/meters/tokens_total', {
      name: 'N',
      groupBy: { model: '$.m' },
    });
    expect(changed.status).toBe(200);
    expect(changed.body).toEqual({
      id: created.id,
      slug: 'tokens_total',
      name: 'N',
      description: 'AI Token Usage',
      eventType: 'prompt',
      eventFrom: '2023-01-01T01:01:01.001Z',
      aggregation: 'SUM',
      valueProperty: '$.tokens',
      groupBy: { model: '$.m' },
      createdAt: created.createdAt,
      updatedAt: time,
    });
    const emptied = (await call('PUT', `/api/v1/meters/${created.id}`, {})).body;
    expect(emptied).toMatchObject({ name: 'tokens_total', description: 'AI Token Usage' });
    expect(emptied.groupBy).toBeUndefined();
  });

  test('can not change its slug, nor be grouped by what it measures', async () => {
    await call('POST', '/api/v1/meters', tokens);
    const { status, body } = await call('PUT', '/api/v1/meters/tokens_total', {
      slug: 'other',
      groupBy: { tokens: '$.tokens' },
    });
    expect(status).toBe(400);
    expect(body.extensions.validationErrors).toEqual([
      { field: 'slug', reason: "can't be changed; make a new meter instead" },
      { field: 'groupBy.tokens', reason: 'must differ from valueProperty' },
    ]);
  });

  test('is deleted with 204, again by its id, and is gone by its slug', async () => {
    const { id } = (await call('POST', '/api/v1/meters', tokens)).body;
    const deleted = await call('DELETE', '/api/v1/meters/tokens_total');
    expect([deleted.status, deleted.body]).toEqual([204, undefined]);
    expect((await call('DELETE', `/api/v1/meters/${id}`)).status).toBe(204);
    expect((await call('GET', '/api/v1/meters/tokens_total')).status).toBe(404);
    expect((await call('GET', `/api/v1/meters/${id}`)).body.deletedAt).toEqual(time);
    expect((await call('PUT', `/api/v1/meters/${id}`, {})).status).toBe(404);
    expect((await call('POST', '/api/v1/meters', tokens)).status).toBe(201);
  });
});

test('Swagger shows every route with its schema, an example and its errors', async () => {
  const { body } = await call('GET', '/swagger/json');
  for (const [path, methods] of [
    ['/api/v1/meters', ['get', 'post']],
    ['/api/v1/meters/{meterIdOrSlug}', ['get', 'put', 'delete']],
    ['/api/v1/subjects', ['get', 'post']],
    ['/api/v1/subjects/{subjectIdOrKey}', ['get', 'delete']],
  ] as const) {
    expect(Object.keys(body.paths[path]).sort()).toEqual(methods.toSorted());
    for (const method of methods) {
      const { summary, responses, requestBody, parameters } = body.paths[path][method];
      expect(summary).toBeString();
      const [success, ...errors] = Object.keys(responses);
      expect(Number(success)).toBeLessThan(300);
      expect(errors.length).toBeGreaterThan(0);
      for (const status of errors)
        expect(responses[status].content[problemType].example.status).toBe(Number(status));
      const bodies = [responses[success!], requestBody].filter((part) => part?.content);
      for (const part of bodies) expect(part.content['application/json']).toHaveProperty('example');
      if (path.includes('{'))
        expect(parameters.map(({ in: place }: { in: string }) => place)).toEqual(['path']);
    }
  }
});
