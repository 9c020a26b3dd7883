import { afterAll, beforeAll, expect, test } from 'bun:test';
import { HTTPError, OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from './support/apps.ts';

/** OpenMeter's own client, as published, against the real processes. */

let apps: RunningApps;
let client: OpenMeter;
const startMsMax = 30_000;

beforeAll(async () => {
  apps = await startApps();
  client = new OpenMeter({ baseUrl: apps.url });
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

const meter = {
  slug: 'tokens_total',
  description: 'AI Token Usage',
  aggregation: 'SUM' as const,
  eventType: 'prompt',
  valueProperty: '$.tokens',
  groupBy: { model: '$.model' },
};

test('meters are created, listed, got, updated and deleted', async () => {
  const eventFrom = new Date('2024-01-01');
  const created = (await client.meters.create({ ...meter, slug: 'passing', eventFrom }))!;
  expect(created).toMatchObject({ ...meter, slug: 'passing', name: 'passing' });
  expect(created.createdAt).toBeInstanceOf(Date);
  expect(created.eventFrom).toEqual(eventFrom);
  expect(await client.meters.list()).toEqual([created]);
  expect(await client.meters.get('passing')).toEqual(created);
  expect(await client.meters.get(created.id)).toEqual(created);
  const updated = await client.meters.update('passing', { name: 'New', groupBy: { type: '$.type' } });
  expect(updated).toMatchObject({ id: created.id, name: 'New', groupBy: { type: '$.type' } });
  await client.meters.delete('passing');
  expect(await client.meters.list()).toEqual([]);
});

test('errors come as HTTPError with the problem in it', async () => {
  const notFound = await client.meters.get('nope').catch((error) => error);
  expect(notFound).toBeInstanceOf(HTTPError);
  expect(notFound).toMatchObject({ status: 404, title: 'Not Found' });
  const invalid = await client.meters.create({ ...meter, slug: 'Not a slug' }).catch((error) => error);
  expect(invalid).toMatchObject({ status: 400 });
  expect(invalid.message).toContain('slug must consist of');
});

test('subjects are upserted, listed, got and deleted', async () => {
  const subjects = (await client.subjects.upsert([
    { key: 'customer-1', displayName: 'Ada', metadata: { plan: 'pro' } },
    { key: 'customer/2' },
  ]))!;
  expect(subjects).toMatchObject([{ key: 'customer-1', displayName: 'Ada' }, { key: 'customer/2' }]);
  expect(await client.subjects.list()).toEqual(subjects);
  expect(await client.subjects.get('customer/2')).toEqual(subjects[1]!);
  await client.subjects.delete('customer/2');
  expect(await client.subjects.list()).toHaveLength(1);
});

test('events go in and the exact usage comes out', async () => {
  await client.meters.create(meter);
  const time = new Date('2026-03-29T10:20:30.000Z');
  const events = Array.from({ length: 10 }, (_, i) => ({
    id: `event-${i}`,
    source: 'sdk-test',
    type: 'prompt',
    subject: `customer-${i % 2}`,
    time: new Date(time.getTime() + i * 3_600_000),
    data: { tokens: i === 0 ? '0.1' : 0.2, model: i < 5 ? 'small' : 'large' },
  }));
  await client.events.ingest(events);
  await client.events.ingest(events[0]!);
  await allStored();

  const total = await client.meters.query('tokens_total');
  expect(total?.data).toEqual([
    {
      value: 1.9,
      subject: null,
      groupBy: {},
      windowStart: new Date('2026-03-29T10:20:00Z'),
      windowEnd: new Date('2026-03-29T19:21:00Z'),
    } as never,
  ]);
  const grouped = await client.meters.query('tokens_total', {
    from: new Date('2026-03-29T00:00:00Z'),
    to: new Date('2026-03-30T00:00:00Z'),
    windowSize: 'DAY',
    groupBy: ['model'],
    subject: ['customer-1'],
  });
  expect(grouped?.data.map(({ value, subject, groupBy }) => [value, subject, groupBy])).toEqual([
    [0.6, 'customer-1', { model: 'large' }],
    [0.4, 'customer-1', { model: 'small' }],
  ]);
  const posted = await client.meters.queryPost('tokens_total', { filterGroupBy: { model: ['large'] } });
  expect(posted).toMatchObject({ data: [{ value: 1 }] });
  const values = await client.meters.listGroupByValues('tokens_total', 'model', { from: time });
  expect(values).toEqual(['large', 'small']);
});

test('stored events are listed, newest first, with what is wrong with them', async () => {
  const event = { type: 'prompt', subject: 'customer-9' };
  const now = Date.now();
  await client.events.ingest({ ...event, time: new Date(now - 1_000), data: { tokens: 7 } });
  await allStored();
  await client.events.ingest({ ...event, time: new Date(now), data: { model: 'none' } });
  await allStored();
  const expected = [
    {
      event: { ...event, specversion: '1.0', source: '@openmeter/sdk', data: { model: 'none' } },
      validationError: expect.stringContaining('missing value property'),
    },
    { event: { ...event, time: new Date(now - 1_000), data: { tokens: 7 } } },
  ];
  const listed = (await client.events.list({ subject: 'customer-9' }))!;
  expect(listed).toMatchObject(expected);
  expect(listed[1]!.validationError).toBeUndefined();
  const page = await client.events.listV2({
    limit: 1,
    filter: JSON.stringify({ subject: { $eq: 'customer-9' } }),
  });
  expect(page!.items).toHaveLength(1);
  expect(page!.nextCursor).toBeString();
  const next = await client.events.listV2({
    cursor: page!.nextCursor!,
    filter: JSON.stringify({ subject: { $eq: 'customer-9' } }),
  });
  expect([...page!.items, ...next!.items]).toMatchObject(expected);
});

/** Asks until the answer says that no accepted event is waiting. */
async function allStored(): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const response = await fetch(`${apps.url}/api/v1/meters/tokens_total/query`);
    await response.arrayBuffer();
    if (response.headers.get('usage-events-waiting') === '0') return;
  }
  throw new Error('events are still waiting');
}
