import { afterAll, beforeAll, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { event } from './app.ts';
import { createTestService, type TestService } from './service.ts';

let service: TestService;
let client: OpenMeter;

beforeAll(async () => {
  service = await createTestService();
  client = new OpenMeter({ baseUrl: service.url });
  await service.meter({ slug: 'tokens' });
  await service.pipeline.process(
    [
      event('acme', '2025-03-01T10:00:10Z', { tokens: 10, model: 'gpt-4o' }),
      event('a,b', '2025-03-02T10:00:10Z', { tokens: 5, model: 'o3' }),
    ],
    Date.parse('2025-03-02T12:00:00Z'),
  );
}, 60_000);
afterAll(() => service?.close());

test("OpenMeter's own client queries usage, and gets its dates and groups", async () => {
  const result = await client.meters.query('tokens', {
    from: new Date('2025-03-01T00:00:00Z'),
    to: new Date('2025-03-03T00:00:00Z'),
    windowSize: 'DAY',
    windowTimeZone: 'UTC',
    subject: ['acme', 'a,b'],
    groupBy: ['model'],
    filterGroupBy: { model: 'o3' },
  });
  expect(result?.data).toEqual([
    {
      value: 5,
      windowStart: new Date('2025-03-02T00:00:00Z'),
      windowEnd: new Date('2025-03-03T00:00:00Z'),
      subject: 'a,b',
      groupBy: { model: 'o3' },
    },
  ]);
});

test("OpenMeter's own client lists events", async () => {
  const listed = await client.events.list({ from: new Date('2025-03-01T00:00:00Z'), limit: 1 });
  expect(listed).toMatchObject([
    { event: { subject: 'a,b', data: { tokens: 5 } }, storedAt: expect.any(Date) },
  ]);
  const page = await client.events.listV2({ limit: 1 });
  expect(page?.items).toHaveLength(1);
  expect(page?.nextCursor).toBeString();
});

test('the process answers health, metrics and its description, and stops on a signal', async () => {
  const get = async (path: string) => (await fetch(service.url + path)).text();
  expect(await get('/health/ready')).toContain('"ok"');
  const metrics = await get('/metrics');
  for (const name of [
    'usage_query_duration_seconds_bucket{le="0.001",kind="meter"}',
    'usage_query_rows_count{kind="events"}',
  ]) {
    expect(metrics).toContain(name);
  }
  const description = JSON.parse(await get('/swagger/json')) as { paths: Record<string, unknown> };
  expect(Object.keys(description.paths)).toEqual(
    expect.arrayContaining(['/api/v1/meters/{meterIdOrSlug}/query', '/api/v1/events', '/api/v2/events']),
  );
  expect(await service.stop()).toBe(0);
});
