import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createLog } from '@usage/lib/service/log.ts';
import { connectRedis } from '@usage/lib/stream/redis.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { createRedis, type TestRedis } from '../support/redis.ts';
import { event, openQueryTest, type QueryTest } from './app.ts';

let query: QueryTest;
let redis: TestRedis;
let client: ReturnType<typeof connectRedis>;
let stream: EventStream;
const begunMs = Date.now() - 3_600_000;
const batches = 40;
const perBatch = 10;

beforeAll(async () => {
  redis = await createRedis();
  client = connectRedis({
    url: redis.url,
    name: 'test',
    log: createLog('test', 'silent'),
    commandMsMax: 1_000,
  });
  stream = new EventStream(client);
  query = await openQueryTest(stream);
  await query.meter({ slug: 'tokens' });
  await query.meter({ slug: 'tokens_max', aggregation: 'MAX' });
  // Stored in another order than they arrived in, as two processors do; four events a millisecond.
  const order = Array.from({ length: batches }, (_, i) => (i * 7) % batches);
  for (const n of order) {
    const events = Array.from({ length: perBatch }, (_, i) =>
      event(
        `subject-${i % 3}`,
        new Date(begunMs + i).toISOString(),
        { tokens: i },
        { id: idOf(n, i), source: `s${i % 2}` },
      ),
    );
    await query.pipeline.process(events, begunMs + Math.floor(n / 4));
  }
  const odd = [
    event('odd', new Date(begunMs).toISOString(), '{"tokens":12345678901234567890.10,"b":[1,{"c":null}]}', {
      id: 'odd_1',
      traceparent: '00-abc',
      datacontenttype: 'application/json',
    }),
    event('odd', new Date(begunMs).toISOString(), '{"tokens":"many"}', { id: 'odd%2' }),
    event('odd', new Date(begunMs).toISOString(), undefined, { id: 'none', type: 'unmetered' }),
    event('odd', new Date(begunMs - 80 * 3_600_000).toISOString(), '{"tokens":1}', { id: 'older' }),
  ];
  await query.pipeline.process(odd, begunMs - 60_000);
}, 60_000);
afterAll(async () => {
  await query.close();
  client.disconnect();
  await redis.drop();
});

const idOf = (batch: number, i: number) => `${String(batch).padStart(2, '0')}-${i}`;

interface Item {
  event: Record<string, unknown> & { id: string };
  ingestedAt: string;
  storedAt: string;
  validationError?: string;
}
const items = async (path: string) => (await (await query.get(path)).json()) as Item[];
const ids = async (path: string) => (await items(path)).map((item) => item.event.id);

describe('GET /api/v1/events', () => {
  const keysOf = (listed: Item[], key: (item: Item) => unknown) =>
    listed.map((item) => `${key(item)} ${item.event.source} ${item.event.id}`);

  test('lists the latest hundred by their time, then source and id, as OpenMeter does', async () => {
    const listed = await items('/api/v1/events');
    expect(listed).toHaveLength(100);
    const keys = keysOf(listed, ({ event }) => event.time);
    expect(keys).toEqual(keys.toSorted().reverse());
    expect(listed[0]!.event).toMatchObject({
      id: '39-9',
      source: 's1',
      specversion: '1.0',
      type: 'prompt',
      subject: 'subject-0',
    });
  });

  test('lists by arrival, or by when they were stored, either way', async () => {
    for (const [sort, key] of [
      ['ingestedAt', ({ ingestedAt }: Item) => ingestedAt],
      ['storedAt', ({ storedAt }: Item) => storedAt],
      ['time', ({ event }: Item) => event.time],
    ] as const) {
      const listed = await items(`/api/v1/events?sort=${sort}`);
      const keys = keysOf(listed, key);
      expect([sort, keys]).toEqual([sort, keys.toSorted().reverse()]);
      const ascending = keysOf(await items(`/api/v1/events?sort=${sort}+asc`), key);
      expect([sort, ascending]).toEqual([sort, ascending.toSorted()]);
      expect(ascending).toHaveLength(100);
    }
  });

  test('returns data and attributes as they came, to the last digit', async () => {
    const response = await query.get('/api/v1/events?id=odd_1');
    const text = await response.text();
    expect(text).toContain('"data":{"tokens":12345678901234567890.10,"b":[1,{"c":null}]}');
    expect(JSON.parse(text)).toMatchObject([
      { event: { id: 'odd_1', traceparent: '00-abc', datacontenttype: 'application/json', subject: 'odd' } },
    ]);
    expect(JSON.parse(text)[0].validationError).toBeUndefined();
  });

  test('says why an event does not count', async () => {
    const issues = Object.fromEntries(
      (await items('/api/v1/events?subject=odd')).map(({ event, validationError }) => [
        event.id,
        validationError,
      ]),
    );
    expect(issues).toEqual({
      odd_1: undefined,
      'odd%2': 'invalid event: value cannot be parsed as a number: many',
      none: 'no meter found for event type: unmetered',
    });
  });

  test('takes parts of id and subject literally', async () => {
    expect(await ids('/api/v1/events?id=odd%252')).toEqual(['odd%2']);
    expect(await ids('/api/v1/events?id=odd_')).toEqual(['odd_1']);
    expect(await ids('/api/v1/events?id=-9&subject=ject-0&limit=3')).toEqual(['39-9', '38-9', '37-9']);
  });

  test('leaves out events of more than 72 hours ago unless from says otherwise', async () => {
    expect(await ids('/api/v1/events?id=older')).toEqual([]);
    const from = new Date(begunMs - 90 * 3_600_000).toISOString();
    expect(await ids(`/api/v1/events?id=older&from=${from}`)).toEqual(['older']);
  });

  test('takes a range of arrival', async () => {
    const from = new Date(begunMs + 2).toISOString();
    const to = new Date(begunMs + 3).toISOString();
    const listed = await items(`/api/v1/events?ingestedAtFrom=${from}&ingestedAtTo=${to}`);
    expect(listed).toHaveLength(4 * perBatch);
    expect(new Set(listed.map(({ ingestedAt }) => ingestedAt))).toEqual(new Set([from]));
  });

  test('refuses what is wrong', async () => {
    for (const parameters of [
      'limit=0',
      'limit=101',
      'limit=x',
      'from=x',
      'id=%00',
      'customerId=%00',
      'clientId=',
      'ingestedAtFrom=2025-01-02T00:00:00Z&ingestedAtTo=2025-01-01T00:00:00Z',
    ]) {
      expect([parameters, (await query.get(`/api/v1/events?${parameters}`)).status]).toEqual([
        parameters,
        400,
      ]);
    }
  });
});

describe('GET /api/v2/events', () => {
  const page = async (parameters: Record<string, string>) => {
    const response = await query.get(`/api/v2/events?${new URLSearchParams(parameters)}`);
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as { items: Item[]; nextCursor?: string };
  };

  test('goes through all events once, also when more arrive meanwhile', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { items, nextCursor } = await page({ limit: '37', ...(cursor && { cursor }) });
      seen.push(...items.map((item) => item.event.id));
      if (!cursor)
        await query.pipeline.process(
          [event('new', new Date().toISOString(), { tokens: 1 }, { id: 'new' })],
          Date.now(),
        );
      cursor = nextCursor;
    } while (cursor);
    expect(seen).toHaveLength(batches * perBatch + 4);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain('new');
  });

  test('filters by every field', async () => {
    const filtered = async (filter: unknown) =>
      (await page({ filter: JSON.stringify(filter) })).items.map((item) => item.event.id);
    expect(await filtered({ id: { $in: ['00-1', 'none'] } })).toEqual(['00-1', 'none']);
    expect(await filtered({ type: { $ne: 'prompt' } })).toEqual(['none']);
    expect(await filtered({ subject: { $like: 'o_d' }, id: { $gt: 'odd' } })).toEqual([
      'odd_1',
      'odd%2',
      'older',
    ]);
    expect(await filtered({ id: { $like: '0_-9' }, source: { $eq: 's1' } })).toHaveLength(10);
    expect(await filtered({ id: { $and: [{ $gte: '39' }, { $lt: '39-2' }] } })).toEqual(['39-1', '39-0']);
    const time = { $lt: new Date(begunMs - 3_600_000).toISOString() };
    expect(await filtered({ time })).toEqual(['older']);
    const ingestedAt = { $gte: new Date(begunMs).toISOString(), $lt: new Date(begunMs + 1).toISOString() };
    expect(await filtered({ ingestedAt })).toHaveLength(4 * perBatch);
  });

  test('refuses what is wrong', async () => {
    const filters = [
      '{',
      '[]',
      '{"city":{"$eq":"x"}}',
      '{"id":{"$regex":"x"}}',
      '{"time":{"$gt":"x"}}',
      '{"id":"x"}',
      '{"customerId":{"$like":"x"}}',
    ];
    for (const filter of filters) {
      const response = await query.get(`/api/v2/events?filter=${encodeURIComponent(filter)}`);
      expect([filter, response.status]).toEqual([filter, 400]);
    }
    for (const cursor of [
      'x',
      Buffer.from('[1]').toString('base64url'),
      Buffer.from('[-1,"a","b"]').toString('base64url'),
      'x'.repeat(10_000),
    ]) {
      expect((await query.get(`/api/v2/events?cursor=${cursor}`)).status).toBe(400);
    }
  });
});

describe('GET /api/v3/openmeter/events', () => {
  interface V3Page {
    data: { event: { id: string; time: string }; ingested_at: string; validation_errors?: object[] }[];
    meta: { page: { next: string | null; previous: null; size: number; first?: string; last?: string } };
  }
  const page = async (parameters: string) => {
    const response = await query.get(`/api/v3/openmeter/events?${parameters}`);
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as V3Page;
  };
  const idsOf = async (parameters: string) => (await page(parameters)).data.map(({ event }) => event.id);

  test.each(['time', 'ingested_at', 'stored_at', 'time asc', 'ingested_at asc', 'stored_at asc'])(
    'goes through all events once, sorted by %s',
    async (sort) => {
      const seen: string[] = [];
      let after: string | null = null;
      do {
        const sorted = `sort=${encodeURIComponent(sort)}&page[size]=37`;
        const { data, meta }: V3Page = await page(after === null ? sorted : `${sorted}&page[after]=${after}`);
        seen.push(...data.map(({ event }) => event.id));
        after = meta.page.next;
      } while (after !== null);
      const own = seen.filter((id) => id !== 'new');
      expect(own).toHaveLength(batches * perBatch + 4);
      expect(new Set(seen).size).toBe(seen.length);
    },
  );

  test('filters by every field and operator', async () => {
    expect((await page('')).meta.page.size).toBe(20);
    expect(await idsOf('filter[id][oeq]=00-1,none')).toEqual(['00-1', 'none']);
    expect(await idsOf('filter[id]=00-1')).toEqual(['00-1']);
    expect(await idsOf('filter[type][neq]=prompt')).toEqual(['none']);
    expect(await idsOf('filter[subject][contains]=dd&filter[id][gt]=odd')).toEqual([
      'odd_1',
      'odd%2',
      'older',
    ]);
    expect(await idsOf('filter[id][ocontains]=odd_,one')).toEqual(['odd_1', 'none']);
    expect(await idsOf('filter[subject][eq]=odd&filter[source][nexists]=true')).toEqual([]);
    expect(await idsOf('filter[subject][eq]=odd&filter[source][exists]=')).toHaveLength(4);
    const before = new Date(begunMs - 3_600_000).toISOString();
    expect(await idsOf(`filter[time][lt]=${before}`)).toEqual(['older']);
    const arrived = new Date(begunMs).toISOString();
    expect(await idsOf(`filter[ingested_at][eq]=${arrived}&page[size]=100`)).toHaveLength(4 * perBatch);
    expect(await idsOf(`filter[stored_at][lt]=${before}`)).toEqual([]);
    const issues = (await page('filter[id][eq]=odd%252')).data[0]!.validation_errors;
    expect(issues).toEqual([
      { code: 'validation_error', message: 'invalid event: value cannot be parsed as a number: many' },
    ]);
  });

  test.each([
    'filter[subjects][eq]=x',
    'filter[id][regex]=x',
    'filter[time][contains]=x',
    'filter[time][eq]=x',
    'filter[id][oeq]=,',
    'sort=subject',
    'sort=time+down',
    'page[size]=101',
    'page[before]=x',
    'page[after]=x',
    'limit=1',
  ])('refuses %s', async (parameters) => {
    expect((await query.get(`/api/v3/openmeter/events?${parameters}`)).status).toBe(400);
  });
});

test('a batch that is not described yet is looked into for any tenant', async () => {
  const listed = async () => await items('/api/v1/events?subject=odd&from=2000-01-01T00:00:00Z');
  const before = await listed();
  await query.sql`UPDATE batches SET described = false WHERE id IN (SELECT DISTINCT batch_id FROM events WHERE subject = 'odd')`;
  await query.sql`DELETE FROM batch_types t USING batches b WHERE b.id = t.batch_id AND NOT b.described`;
  expect(await listed()).toEqual(before);
  expect(before.length).toBeGreaterThan(3);
});

test('answers say how fresh they are while Redis is there', async () => {
  if (!client.isReady) await new Promise<void>((resolve) => client.onReady(resolve));
  const beforeMs = Date.now();
  const idle = await query.get('/api/v1/meters/tokens/query');
  expect(idle.headers.get('usage-events-waiting')).toBe('0');
  expect(Date.parse(idle.headers.get('usage-as-of')!)).toBeGreaterThanOrEqual(beforeMs - 1_000);
  const { id } = await stream.append(Buffer.from('frame'), 3);
  const waiting = await query.get('/api/v1/meters/tokens/query');
  expect(waiting.headers.get('usage-events-waiting')).toBe('3');
  expect(Date.parse(waiting.headers.get('usage-as-of')!)).toBe(Number(id.split('-')[0]));
});
