import { afterAll, beforeAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createManagementApi, type ManagementApi } from './support/management.ts';

let api: ManagementApi;
beforeAll(async () => {
  api = await createManagementApi();
});
afterAll(() => api.drop());

/** Strings with NUL, lone surrogates, `__proto__`, quotes and everything else. */
const text = fc.oneof(
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 20,
  }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    "'; DROP TABLE meters; --",
    '$',
    '$.a',
    '\0',
    '\ud800',
    'COUNT',
    'a',
  ),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.double(),
    fc.constantFrom(null, true, 1e308, -0),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(text, tie('any'), { maxKeys: 3 }),
  ),
})).any;
const meterField = fc.constantFrom(
  'slug',
  'name',
  'description',
  'eventType',
  'eventFrom',
  'aggregation',
  'valueProperty',
  'groupBy',
  'metadata',
);
const subjectField = fc.constantFrom(
  'key',
  'displayName',
  'metadata',
  'currentPeriodStart',
  'stripeCustomerId',
);
const runs = { numRuns: 300 };

/** Of every answer: below 500, and JSON that says what is wrong where it is not a success. */
async function expectSane(method: string, path: string, body?: unknown): Promise<void> {
  const answer = await api.call(method, path, body === undefined ? undefined : JSON.stringify(body));
  expect(answer.status).toBeLessThan(500);
  if (answer.status >= 400) {
    expect(answer.type).toBe('application/problem+json');
    expect(answer.body.detail).not.toMatch(/ at \/|\bSELECT\b|\bINSERT\b/);
  }
}

test('no meter, however odd, breaks the server', async () => {
  const base = { slug: 'a', eventType: 'b', aggregation: 'COUNT' };
  await fc.assert(
    fc.asyncProperty(fc.dictionary(meterField, value), async (odd) => {
      await expectSane('POST', '/api/v1/meters', { ...base, ...odd });
      await expectSane('PUT', '/api/v1/meters/a', odd);
    }),
    runs,
  );
  await expectSane('GET', '/api/v1/meters?includeDeleted=true');
});

test('no list of subjects, however odd, breaks the server', async () => {
  const subject = fc.dictionary(subjectField, value).map((odd) => ({ key: 'a', ...odd }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.array(subject, { maxLength: 3 }), value), async (odd) => {
      await expectSane('POST', '/api/v1/subjects', odd);
    }),
    runs,
  );
  await expectSane('GET', '/api/v1/subjects');
});

test('no path and no query, however odd, breaks the server', async () => {
  const part = fc.oneof(
    text.map((raw) => encodeURIComponent(raw.toWellFormed())),
    fc.stringMatching(/^[%\w./?&=;+-]{0,20}$/),
  );
  await fc.assert(
    fc.asyncProperty(part, part, async (name, query) => {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
        await expectSane(method, `/api/v1/meters/${name}`, method === 'PUT' ? {} : undefined);
        await expectSane(method, `/api/v1/subjects/${name}`);
      }
      await expectSane('GET', `/api/v1/meters?page=${query}&orderBy=${name}&pageSize=${query}`);
      await expectSane('GET', `/api/v1/subjects?page=${query}&pageSize=${name}`);
    }),
    runs,
  );
});
