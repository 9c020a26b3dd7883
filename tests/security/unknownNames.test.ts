import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Operation, operationsOf } from './openApi.ts';

/** What is misspelt is refused with the name that was meant: dropped, a filter would let everybody's usage through. */

const startMsMax = 60_000;
let apps: RunningApps;
let operations: Operation[];
beforeAll(async () => {
  apps = await startApps();
  const meter = {
    slug: 'tokens',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy: { region: '$.region' },
  };
  await call('POST', '/api/v1/meters', meter);
  const descriptions = await Promise.all(
    [apps.url, apps.queryUrl].map(async (origin) => (await fetch(`${origin}/swagger/json`)).json()),
  );
  operations = descriptions.flatMap(operationsOf).filter(({ path }) => path.startsWith('/api/'));
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(apps.url + path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type'), text };
}

function pathOf({ path }: Operation): string {
  return path.replace('{groupByKey}', 'region').replace(/\{\w+\}/g, 'tokens');
}

test('every route refuses a parameter that it does not know, by name', async () => {
  expect(operations.length).toBeGreaterThan(30);
  for (const operation of operations) {
    const { method } = operation;
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const answer = await call(method, `${pathOf(operation)}?nonsense=1`, body);
    const route = `${method} ${operation.path}`;
    // Who may not ask, or asks of what is not there, is told that first.
    if ([401, 404, 412].includes(answer.status)) {
      expect([route, operation.path]).toEqual([route, expect.stringMatching(/portal|ntitlement|customer/)]);
      continue;
    }
    expect([route, answer.status, answer.type]).toEqual([route, 400, 'application/problem+json']);
    expect([route, answer.text]).toEqual([route, expect.stringContaining('nonsense')]);
  }
});

test('every route with a JSON body refuses a field that it does not know, by name', async () => {
  const bodies = operations.filter(({ bodies }) => 'application/json' in bodies);
  expect(bodies.length).toBeGreaterThan(8);
  for (const operation of bodies) {
    const { method, path } = operation;
    // Extension attributes of an event are whatever the client says.
    if (path.endsWith('/events') || path.endsWith('{deadLetterId}/redrive')) continue;
    const isList = operation.bodies['application/json']!.schema.type === 'array';
    const field = { nonsense: 1 };
    const answer = await call(method, pathOf(operation), isList ? [field] : field);
    const route = `${method} ${path}`;
    if (answer.status === 404) continue;
    expect([route, answer.status]).toEqual([route, 400]);
    expect([route, answer.text]).toEqual([route, expect.stringContaining('nonsense')]);
  }
});

describe('the name that was meant is told', () => {
  const query = '/api/v1/meters/tokens/query';
  const v3Query = '/api/v3/openmeter/meters/tokens/query';
  test.each([
    ['GET', `${query}?filterGroupby[region]=x`, undefined, 'filterGroupBy'],
    ['GET', `${query}?filterGroupBy[regoin]=x`, undefined, 'region'],
    ['GET', `${query}?subjects=x`, undefined, 'subject'],
    ['GET', `${query}?window_size=DAY`, undefined, 'windowSize'],
    ['GET', `${query}?windowSize=Day`, undefined, 'DAY'],
    ['GET', `${query}?groupBy=regio`, undefined, 'region'],
    ['GET', `${query}?filterGroupBy=x`, undefined, 'filterGroupBy[name]=value'],
    ['GET', `${query}?advancedMeterGroupByFilters={"region":{"$eqq":"x"}}`, undefined, '$eq'],
    ['POST', query, { subjects: ['x'] }, 'subject'],
    ['POST', query, { subject: [] }, 'must not be empty'],
    ['POST', query, { filterCustomerId: [] }, 'must not be empty'],
    ['POST', query, { filterGroupby: { region: 'x' } }, 'filterGroupBy'],
    ['POST', query, { advancedMeterGroupByFilters: { region: { $or: [] } } }, 'must not be empty'],
    ['GET', '/api/v1/events?subjectt=x', undefined, 'subject'],
    ['GET', '/api/v1/events?subject=', undefined, 'must not be empty'],
    ['GET', '/api/v1/events?ingestedAtfrom=2025-01-01T00:00:00Z', undefined, 'ingestedAtFrom'],
    ['GET', '/api/v2/events?filters={}', undefined, 'filter'],
    ['GET', '/api/v2/events?filter={"subjects":{"$eq":"x"}}', undefined, 'subject'],
    ['GET', '/api/v1/meters/tokens/subjects?form=2025-01-01T00:00:00Z', undefined, 'from'],
    ['GET', '/api/v1/meters?includedeleted=true', undefined, 'includeDeleted'],
    ['GET', '/api/v1/subjects?page_size=1', undefined, 'pageSize'],
    ['GET', '/api/v1/dead-letters?limits=1', undefined, 'limit'],
    ['POST', '/api/v1/dead-letters/redrive', { id: ['1'] }, 'ids'],
    ['POST', '/api/v1/portal/tokens', { subject: 'x', allowedMeters: ['tokens'] }, 'allowedMeterSlugs'],
    ['POST', '/api/v1/portal/tokens/invalidate', { subjects: 'x' }, 'subject'],
    ['POST', '/api/v1/keys', { name: 'x', scope: ['read'] }, 'scopes'],
    ['POST', '/api/v1/meters', { slug: 'x', event_type: 'y', aggregation: 'COUNT' }, 'eventType'],
    ['POST', '/api/v1/subjects', [{ key: 'x', display_name: 'y' }], 'displayName'],
    ['POST', v3Query, { filters: { dimension: { region: { eq: 'x' } } } }, 'dimensions'],
    ['POST', v3Query, { filters: 'x' }, 'must be an object'],
    ['POST', v3Query, { filters: { subject: { eq: 'x' } } }, 'subject'],
    ['POST', v3Query, { filters: { dimensions: { region: { in: [] } } } }, 'list of 1 to'],
    ['POST', v3Query, { filters: { dimensions: { subject: { in: [] } } } }, 'list of 1 to'],
    ['POST', v3Query, { filters: { dimensions: { region: { exists: 'no' } } } }, 'true or false'],
    ['POST', v3Query, { filters: { dimensions: { region: { equals: 'x' } } } }, 'eq'],
    ['POST', v3Query, { groupBy: ['region'] }, 'group_by_dimensions'],
    ['GET', '/api/v3/openmeter/meters?page[numbre]=1', undefined, 'number'],
    ['GET', '/api/v3/openmeter/meters?page=1', undefined, 'page[name]=value'],
  ])('%s %s %j', async (method, path, body, meant) => {
    const { status, text } = await call(method, path, body);
    expect([status, text]).toEqual([400, expect.stringContaining(meant)]);
  });
});

describe('a filter that is empty or null is refused: it would answer everybody’s usage', () => {
  const query = '/api/v1/meters/tokens/query';
  const v3 = '/api/v3/openmeter/meters/tokens/query';
  const bodies: [path: string, body: unknown, field: string][] = [
    [query, { subject: [] }, 'subject'],
    [query, { subject: null }, 'subject'],
    [query, { filterCustomerId: null }, 'filterCustomerId'],
    [query, { filterGroupBy: null }, 'filterGroupBy'],
    [query, { filterGroupBy: { region: [] } }, 'filterGroupBy.region'],
    [query, { filterGroupBy: { region: null } }, 'filterGroupBy.region'],
    [query, { advancedMeterGroupByFilters: { region: {} } }, 'advancedMeterGroupByFilters.region'],
    [query, { advancedMeterGroupByFilters: { region: null } }, 'advancedMeterGroupByFilters.region'],
    [v3, { filters: null }, 'filters'],
    [v3, { filters: { dimensions: { subject: {} } } }, 'filters.dimensions.subject'],
    [v3, { filters: { dimensions: { subject: { in: [] } } } }, 'filters.dimensions.subject'],
    ['/api/v1/portal/tokens', { subject: 'a', allowedMeterSlugs: null }, 'allowedMeterSlugs'],
    ['/api/v1/portal/tokens/invalidate', { subject: null }, 'subject'],
  ];
  for (const [path, body, field] of bodies)
    test(`POST ${path} ${JSON.stringify(body)}`, async () => {
      const { status, text } = await call('POST', path, body);
      expect([status, text]).toEqual([400, expect.stringContaining(`"field":"${field}"`)]);
    });

  const paths: [path: string, field: string][] = [
    ['/api/v3/openmeter/events?filter[subject]=', 'filter.subject'],
    ['/api/v3/openmeter/events?filter[customer_id]=', 'filter.customer_id'],
    ['/api/v3/openmeter/meters?filter[key]=', 'filter.key'],
    ['/api/v1/events?subject=', 'subject'],
    ['/api/v2/events?filter={"subject":{}}', 'filter.subject'],
    ['/api/v2/events?filter={"subject":null}', 'filter.subject'],
    ['/api/v2/events?filter={"customerId":{}}', 'filter.customerId'],
  ];
  for (const [path, field] of paths)
    test(`GET ${path}`, async () => {
      const { status, text } = await call('GET', path);
      expect([status, text]).toEqual([400, expect.stringContaining(`"field":"${field}"`)]);
    });
});
