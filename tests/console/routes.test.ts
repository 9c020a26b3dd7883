import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from '@usage/db/connection/connect.ts';
import { insertDeadLetter } from '@usage/db/events/deadLetters.ts';
import { type RunningApps, startApps } from '../support/apps.ts';

/** The routes that the console's pages need beyond OpenMeter's: activity, evaluation, rebuild, mended dead letters. */
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
}, 60_000);
afterAll(() => apps?.stop(), 60_000);

const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(apps.url + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  return { status: response.status, text, body: (text ? JSON.parse(text) : undefined) as any };
};
const event = (id: string, data: unknown, more: object = {}) => ({
  specversion: '1.0',
  id,
  source: 'test',
  type: 'prompt',
  subject: 'customer-1',
  data,
  ...more,
});
const send = (body: unknown) => call('POST', '/api/v1/events', body, { Prefer: 'wait=20' });

test('a preview says exactly what a meter would make of stored events, and which paths they have', async () => {
  await send(
    `[${JSON.stringify(event('a', { tokens: 1 })).replace('"tokens":1', '"tokens":12345678901234567890.5')}]`,
  );
  await send([event('b', { tokens: 'many', user: { 'plan name': 'pro' } })]);
  const { status, body } = await call('POST', '/api/v1/meters/evaluate', {
    meter: {
      eventType: 'prompt',
      aggregation: 'SUM',
      valueProperty: '$.tokens',
      groupBy: { plan: '$.user["plan name"]' },
    },
  });
  expect(status).toBe(200);
  expect(body.items.map((item: { id: string; meters: unknown }) => [item.id, item.meters])).toEqual([
    [
      'b',
      [
        {
          slug: 'preview',
          aggregation: 'SUM',
          counted: false,
          reason: 'invalid event: value cannot be parsed as a number: many',
        },
      ],
    ],
    [
      'a',
      [
        {
          slug: 'preview',
          aggregation: 'SUM',
          counted: true,
          value: '12345678901234567890.5',
          groupBy: { plan: '' },
        },
      ],
    ],
  ]);
  expect(body.paths).toContainEqual({
    path: '$.tokens',
    events: 2,
    numbers: 1,
    examples: ['many', '12345678901234567890.5'],
  });
  // A path that it shows is one that a meter takes.
  const { path } = body.paths.find(({ examples }: { examples: string[] }) => examples.includes('pro'));
  const grouped = await call('POST', '/api/v1/meters/evaluate', {
    meter: { eventType: 'prompt', aggregation: 'COUNT', groupBy: { plan: path } },
    event: { source: 'test', id: 'b' },
  });
  expect(grouped.body.items[0].meters[0].groupBy).toEqual({ plan: 'pro' });
});

test('an event is explained by all meters of its type; an invalid preview names its issues', async () => {
  const meters = [
    { slug: 'explained_sum', aggregation: 'SUM', valueProperty: '$.n' },
    { slug: 'explained_late', aggregation: 'COUNT', eventFrom: '2199-01-01T00:00:00Z' },
    { slug: 'explained_good', aggregation: 'COUNT', filters: { '$.ok': { $eq: 'yes' } } },
  ];
  for (const meter of meters) await call('POST', '/api/v1/meters', { eventType: 'explained', ...meter });
  await send([event('e', { n: 7 }, { type: 'explained' })]);
  const { body } = await call('POST', '/api/v1/meters/evaluate', { event: { source: 'test', id: 'e' } });
  expect(
    body.items[0].meters.map((one: { slug: string; counted: boolean; value?: string }) => [
      one.slug,
      one.counted,
      one.value,
    ]),
  ).toEqual([
    ['explained_good', false, undefined],
    ['explained_late', false, undefined],
    ['explained_sum', true, '7'],
  ]);
  const invalid = await call('POST', '/api/v1/meters/evaluate', {
    meter: { eventType: 'x', aggregation: 'SUM', groupBy: { 'a b': '$.a' } },
  });
  expect(invalid.status).toBe(400);
  expect((await call('POST', '/api/v1/meters/evaluate', {})).status).toBe(400);
});

test('activity counts what was taken, refused, stored and sent again, and names the busiest', async () => {
  const counts = async () => {
    const { body } = await call('GET', '/api/v1/activity?minutes=5');
    const sum = (key: string) =>
      body.steps.reduce((total: number, step: Record<string, number>) => total + step[key]!, 0);
    const counted = {
      accepted: sum('accepted'),
      rejected: sum('rejected'),
      stored: sum('stored'),
      duplicates: sum('duplicates'),
    };
    return { body, counted };
  };
  const settled = async (wanted: (counted: Record<string, number>) => boolean) => {
    for (;;) {
      const found = await counts();
      if (wanted(found.counted)) return found;
      await Bun.sleep(100); // the gateway writes its counts down every two seconds
    }
  };
  await send([event('act-0', {})]);
  const before = (await settled(({ accepted, stored }) => accepted! >= 1 && accepted === stored)).counted;
  await send(Array.from({ length: 20 }, (_, n) => event(`act-${n}`, {}, { type: 'busy', subject: 'busy' })));
  await call('POST', '/api/v1/events', { nonsense: true });
  const { body, counted } = await settled(({ rejected }) => rejected! > before.rejected);
  expect(counted).toEqual({
    accepted: before.accepted + 20,
    rejected: before.rejected + 1,
    stored: before.stored + 19,
    duplicates: before.duplicates + 1,
  });
  expect(body.busiest.types).toContainEqual({ type: 'busy', events: 19 });
  expect(body.busiest.subjects).toContainEqual({ subject: 'busy', events: 19 });
  expect(body.eventsWaiting).toBe(0);
  expect((await call('GET', '/api/v1/activity?minutes=61')).status).toBe(400);
});

test('a rebuild is shown until it is done', async () => {
  await call('POST', '/api/v1/meters', { slug: 'rebuilt', eventType: 'prompt', aggregation: 'COUNT' });
  for (;;) {
    const { body, status } = await call('GET', '/api/v1/meters/rebuilt/rebuild');
    expect(status).toBe(200);
    if (body.done) break;
    expect(body.eventsRead).toBeLessThanOrEqual(body.eventsToRead);
    await Bun.sleep(20);
  }
  expect((await call('GET', '/api/v1/meters/none/rebuild')).status).toBe(404);
});

test('a mended dead letter is checked, keeps every digit and is driven once', async () => {
  const sql = connect({ url: apps.database.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  const bad = {
    kind: 'event',
    namespace: 'default',
    reason: 'made by the test',
    frameId: '1-1',
    position: 0,
  } as const;
  await insertDeadLetter(sql, { ...bad, payload: Buffer.from('{"id":"mended","n":12345678901234567890.5}') });
  await sql.end();
  const list = await call('GET', '/api/v1/dead-letters');
  expect(list.text).toContain('12345678901234567890.5');
  const [{ id }] = list.body.items;
  const path = `/api/v1/dead-letters/${id}/redrive`;
  const refused = await call('POST', path, { id: 'mended' });
  expect(refused.status).toBe(400);
  expect(refused.body.extensions.validationErrors.length).toBeGreaterThan(0);

  const mended = JSON.stringify(event('mended', { n: 1 })).replace('"n":1', '"n":0.10000000000000000000001');
  expect((await call('POST', path, mended)).body).toEqual({ redriven: 1 });
  expect((await call('POST', path, mended)).status).toBe(404);
  for (;;) {
    const { text } = await call('GET', '/api/v1/events?id=mended');
    if (text.includes('0.10000000000000000000001')) break;
    await Bun.sleep(20);
  }
});
