import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { noteRetention } from '@usage/db/schema/eventsKept.ts';
import { correctionRoutes } from '@usage/gateway/corrections/index.ts';
import { openAccess } from '@usage/lib/auth/access.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { Registry } from 'prom-client';
import { event, openQueryTest, type QueryTest } from './query/app.ts';

let query: QueryTest;
let call: (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number; text: string; body: Answer }>;

interface Answer {
  events: number;
  unchanged: number;
  effects: unknown[];
  corrections: string[];
  items: { id: string; action: string; undoneAt?: string }[];
  detail: string;
}

interface Explained {
  items: { meters: { slug: string; counted: boolean; value?: string; reason?: string }[] }[];
}

const arrivedMs = Date.parse('2025-03-05T00:00:00Z');
const source = 'test';

beforeAll(async () => {
  query = await openQueryTest();
  const app = createServer({
    ...{ log: createLog('test', 'silent'), health: new Health(), registry: new Registry() },
    bodyBytesMax: 1_000_000,
  }).use(correctionRoutes({ sql: query.sql, access: openAccess() }));
  call = async (method, path, body) => {
    const headers = { 'Content-Type': 'application/json' };
    const init =
      body === undefined
        ? { method }
        : { method, headers, body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await app.handle(new Request(`http://localhost/api/v1/corrections${path}`, init));
    const text = await response.text();
    return { status: response.status, text, body: JSON.parse(text) as Answer };
  };
}, 60_000);
afterAll(() => query.close());

const evaluate = async (body: object) =>
  (await (await query.post('/api/v1/meters/evaluate', body)).json()) as Explained;

let types = 0;
/** Three events of a type of its own: a 10, b 20 in the same minute, c 5 the next day; a SUM and a MAX of them. */
async function threeEvents() {
  const type = `corrected_${types++}`;
  for (const aggregation of ['SUM', 'MAX'] as const)
    await query.meter({
      slug: `${type}_${aggregation.toLowerCase()}`,
      eventType: type,
      aggregation,
      groupBy: {},
    });
  const one = (id: string, subject: string, time: string, tokens: number) =>
    event(subject, time, { tokens }, { id: `${type}-${id}`, type });
  await query.pipeline.backfill();
  await query.pipeline.process(
    [
      one('a', 'acme', '2025-03-01T10:00:10Z', 10),
      one('b', 'zebra', '2025-03-01T10:00:20Z', 20),
      one('c', 'acme', '2025-03-02T11:00:00Z', 5),
    ],
    arrivedMs,
  );
  const ask = async (aggregation: 'sum' | 'max', parameters = '') => {
    const response = await query.get(`/api/v1/meters/${type}_${aggregation}/query?${parameters}`);
    const { data } = (await response.json()) as { data: { value: number }[] };
    return data.map(({ value }) => value);
  };
  return { type, ask, id: (id: string) => ({ source, id: `${type}-${id}` }) };
}

describe('an event', () => {
  test('that is voided counts no more, and counts again when that is undone', async () => {
    const { type, ask, id } = await threeEvents();
    await query.pipeline.aggregate(1);
    const body = { action: 'void', reason: 'sent by mistake', event: id('b') };
    const dry = await call('POST', '', { ...body, dryRun: true });
    expect(dry).toMatchObject({ status: 200, body: { events: 1, corrections: [] } });
    expect(await ask('sum')).toEqual([35]);

    const { body: made } = await call('POST', '', body);
    const sum = { before: '20', after: '0' };
    expect(made.effects).toEqual([
      { meter: `${type}_max`, events: { before: 1, after: 0 }, sum },
      { meter: `${type}_sum`, events: { before: 1, after: 0 }, sum },
    ]);
    expect([await ask('sum'), await ask('max')]).toEqual([[15], [10]]);
    expect(await ask('sum', 'subject=zebra')).toEqual([]);
    expect(await ask('sum', 'windowSize=DAY')).toEqual([10, 5]);
    const listed = await query.get(
      `/api/v1/events?from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&id=${id('b').id}`,
    );
    expect(await listed.json()).toMatchObject([
      { event: { id: id('b').id }, correction: { action: 'void', reason: 'sent by mistake' } },
    ]);
    expect(await query.pipeline.remake()).toBeGreaterThan(0);
    expect([await ask('sum'), await ask('max')]).toEqual([[15], [10]]);
    expect((await call('POST', '', body)).body).toMatchObject({ events: 0, unchanged: 1, corrections: [] });

    const undone = await call('DELETE', `/${made.corrections[0]}`);
    expect(undone.body).toMatchObject({ action: 'void', undoneBy: 'operator' });
    expect([await ask('sum'), await ask('max')]).toEqual([[35], [20]]);
    expect((await call('DELETE', `/${made.corrections[0]}`)).status).toBe(200);
  });

  test('that is amended counts with its new time, subject and data, digit by digit', async () => {
    const { ask, id } = await threeEvents();
    const amend = (more: object) =>
      call('POST', '', { action: 'amend', reason: 'wrong unit', event: id('a'), ...more });
    await amend({ data: { tokens: '0.10000000000000000001' } });
    expect(await ask('max', 'subject=acme&from=2025-03-01T00:00:00Z&to=2025-03-02T00:00:00Z')).toEqual([0.1]);
    await amend({ time: '2025-04-01T00:00:00Z', subject: 'other' });
    expect(await ask('sum', 'windowSize=MONTH&groupBy=subject')).toEqual([5, 20, 0.1]);
    await call('POST', '', { action: 'void', reason: 'after all', event: id('a') });
    expect(await ask('sum', 'windowSize=MONTH&groupBy=subject')).toEqual([5, 20]);
  });

  test('is explained as it counts: voided for no meter, amended as it was amended, undone as it came', async () => {
    const { type, id } = await threeEvents();
    const explained = async () => {
      const { items } = await evaluate({ event: id('a') });
      return items[0]!.meters.find(({ slug }) => slug === `${type}_sum`);
    };
    expect(await explained()).toMatchObject({ counted: true, value: '10' });
    const reason = 'wrong unit';
    const data = { tokens: '12345678901234567890.5' };
    await call('POST', '', { action: 'amend', reason, event: id('a'), data });
    expect(await explained()).toMatchObject({ counted: true, value: '12345678901234567890.5' });
    const { body } = await call('POST', '', { action: 'void', reason, event: id('a') });
    expect(await explained()).toMatchObject({ counted: false, reason: 'the event was voided: wrong unit' });
    const meter = { eventType: type, aggregation: 'COUNT' };
    const preview = await evaluate({ meter });
    expect(preview.items.filter(({ meters }) => meters[0]!.counted)).toHaveLength(2);
    await call('DELETE', `/${body.corrections[0]}`);
    expect(await explained()).toMatchObject({ counted: true, value: '10' });
  });

  test('whose amendment mends its data has no validation error; lists of corrections keep every digit', async () => {
    const { type, id } = await threeEvents();
    await query.pipeline.process(
      [event('acme', '2025-03-01T10:00:30Z', { tokens: 'many' }, { id: `${type}-bad`, type })],
      arrivedMs,
    );
    const validationError = async () => {
      const path = `/api/v1/events?from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&id=${type}-bad`;
      return ((await (await query.get(path)).json()) as { validationError?: string }[])[0]!.validationError;
    };
    expect(await validationError()).toContain('many');
    const amended = { action: 'amend', reason: 'a number', event: id('bad') };
    await call(
      'POST',
      '',
      `${JSON.stringify(amended).slice(0, -1)},"data":{"tokens":12345678901234567890.5}}`,
    );
    expect(await validationError()).toBeUndefined();
    const listed = await call('GET', `?id=${type}-bad`);
    expect(listed.text).toContain('12345678901234567890.5');
  });

  test('that comes again while it is voided is a duplicate', async () => {
    const { type, ask, id } = await threeEvents();
    await call('POST', '', { action: 'void', reason: 'test', event: id('b') });
    const again = event('zebra', '2025-03-01T10:00:20Z', { tokens: 20 }, { id: `${type}-b`, type });
    expect(await query.pipeline.process([again], arrivedMs + 1_000)).toBe(0);
    expect(await ask('sum')).toEqual([15]);
  });

  test('is found by its time too, and not by another one', async () => {
    const { ask, id } = await threeEvents();
    const of = (time: string) => ({ action: 'void', reason: 'test', event: { ...id('b'), time } });
    expect(await call('POST', '', of('2025-03-01T10:00:21Z'))).toMatchObject({ status: 404 });
    expect(await call('POST', '', of('2025-03-01T11:00:20+01:00'))).toMatchObject({ body: { events: 1 } });
    expect(await ask('sum')).toEqual([15]);
  });

  test('that is not stored is a 404', async () => {
    const { id } = await threeEvents();
    const answer = await call('POST', '', { action: 'void', reason: 'test', event: id('nothing') });
    expect(answer).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('no stored event') },
    });
  });
});

test('events are voided by a filter; a meter that is made later counts what is left', async () => {
  const { type, ask } = await threeEvents();
  const filter = { type, subject: 'acme', from: '2025-03-01T00:00:00Z', to: '2025-03-02T00:00:00Z' };
  expect((await call('POST', '', { action: 'void', reason: 'test', filter })).body.events).toBe(1);
  expect(await ask('sum')).toEqual([25]);
  await query.meter({ slug: `${type}_later`, eventType: type, aggregation: 'COUNT', groupBy: {} });
  const count = async () => {
    const response = await query.get(`/api/v1/meters/${type}_later/query`);
    return ((await response.json()) as { data: { value: number }[] }).data.map(({ value }) => value);
  };
  expect(await count()).toEqual([2]);
  await query.pipeline.backfill();
  expect(await count()).toEqual([2]);
});

test('an answer as of a moment leaves out what arrived or was corrected later', async () => {
  const { type, ask, id } = await threeEvents();
  const { body } = await call('POST', '', { action: 'void', reason: 'test', event: id('a') });
  const late = event('acme', '2025-03-01T10:00:00Z', { tokens: 100 }, { id: `${type}-late`, type });
  await query.pipeline.process([late], arrivedMs + 3_600_000);
  expect(await ask('sum')).toEqual([125]);
  expect(await ask('sum', 'asOf=2025-03-05T00:30:00Z')).toEqual([35]);
  expect(await ask('sum', 'asOf=2025-03-05T02:00:00Z')).toEqual([135]);
  expect(await ask('sum', 'asOf=2199-01-01T00:00:00Z')).toEqual([125]);
  await noteRetention(query.sql, 31);
  const gone = await query.get(`/api/v1/meters/${type}_sum/query?asOf=2025-03-05T02:00:00Z`);
  expect([gone.status, ((await gone.json()) as Answer).detail]).toEqual([
    400,
    expect.stringContaining('no longer kept'),
  ]);
  // Made anew from what is left of its events, the minute would lose what the others came to.
  expect(await call('DELETE', `/${body.corrections[0]}`)).toMatchObject({
    ...{ status: 400, body: { detail: expect.stringContaining('no longer kept') } },
  });
  expect(await ask('sum')).toEqual([125]);
  const since = new Date(Date.now() - 60_000).toISOString();
  const { items } = (await call('GET', `?since=${since}&limit=1`)).body;
  expect(items).toMatchObject([{ id: body.corrections[0], action: 'void' }]);
});

test('what can only be a mistake is refused by name', async () => {
  const event = { source, id: 'x' };
  for (const [body, words] of [
    [{ action: 'void', reason: 'x' }, 'exactly one of event and filter'],
    [{ action: 'void', reason: 'x', filter: {} }, 'must have a type, source or subject'],
    [{ action: 'amend', reason: 'x', event }, 'time, subject or data'],
    [{ action: 'void', reason: 'x', event, subject: 'a' }, 'are for amend'],
    [{ action: 'void', event }, 'reason'],
    [{ action: 'erase', reason: 'x', event }, 'action'],
    [{ action: 'void', reason: 'x', event, dryrun: true }, 'dryRun'],
    [{ action: 'amend', reason: 'x', event, time: 'yesterday' }, 'time'],
  ] as const)
    expect([body, await call('POST', '', body)]).toMatchObject([
      body,
      { status: 400, body: { detail: expect.stringContaining(words) } },
    ]);
});
