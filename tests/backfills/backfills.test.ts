import { afterAll, beforeAll, expect, test } from 'bun:test';
import { withClient } from '../../db/connection/client.ts';
import { type RunningApps, startApps } from '../support/apps.ts';

/** Backfills as clients see them: the real processes, over HTTP. */
const startMsMax = 60_000;
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const json = { 'Content-Type': 'application/json', ...headers };
  const response = await fetch(apps.url + path, { ...init, headers: json });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

let types = 0;
/** A type of its own with a SUM and a UNIQUE_COUNT, three events of 1 stored. */
async function measured() {
  const type = `backfilled_${types++}`;
  for (const aggregation of ['SUM', 'UNIQUE_COUNT']) {
    const slug = `${type}_${aggregation.toLowerCase()}`;
    await call('POST', '/api/v1/meters', { slug, eventType: type, aggregation, valueProperty: '$.n' });
  }
  const events = (ids: string[], n: number, time = '2026-03-01T10:00:00Z') =>
    ids.map((id) => ({ specversion: '1.0', id, source: type, type, subject: 'acme', time, data: { n } }));
  const send = (list: unknown[], headers: Record<string, string> = {}) =>
    call('POST', '/api/v1/events', list, headers);
  await send(events(['a', 'b', 'c'], 1), { Prefer: 'wait=10' });
  const ask = async () => {
    const values: number[] = [];
    for (const what of ['sum', 'unique_count']) {
      const { body } = await call('GET', `/api/v1/meters/${type}_${what}/query`);
      values.push(body.data[0]?.value ?? 0);
    }
    return values;
  };
  return { type, events, send, ask };
}

test('events of a backfill count when it is closed, all that were accepted before, and not once it is reverted', async () => {
  const { type, events, send, ask } = await measured();
  const opened = await call('POST', '/api/v1/backfills', { id: type, reason: 'lost in March' });
  expect(opened).toMatchObject({ status: 200, body: { id: type, state: 'open', events: 0 } });
  expect((await call('POST', '/api/v1/backfills', { id: type, reason: 'lost in March' })).status).toBe(200);
  expect((await call('POST', '/api/v1/backfills', { id: type, reason: 'other' })).status).toBe(409);

  const of = { 'Usage-Backfill': type };
  const waited = await send(events(['d', 'd', 'a'], 10), { ...of, Prefer: 'wait=10' });
  expect(waited.body).toMatchObject({ stored: 2, duplicates: 1 });
  expect(await ask()).toEqual([3, 1]);
  const { body: listed } = await call(
    'GET',
    `/api/v2/events?filter=${JSON.stringify({ type: { $eq: type } })}`,
  );
  expect(listed.items.filter((item: { backfill?: object }) => item.backfill)).toHaveLength(2);
  expect(listed.items.find((item: { event: { id: string } }) => item.event.id === 'd')).toMatchObject({
    backfill: { id: type, state: 'open' },
  });

  const lines = events(
    Array.from({ length: 2_000 }, (_, i) => `line-${i}`),
    2,
  )
    .map((event) => JSON.stringify(event))
    .join('\n');
  const headers = { 'Content-Type': 'application/x-ndjson', ...of };
  expect((await fetch(`${apps.url}/api/v1/events`, { method: 'POST', headers, body: lines })).status).toBe(
    200,
  );
  const close = (body?: unknown) => call('POST', `/api/v1/backfills/${type}/close`, body);
  const closing = { counted: 2_001, duplicates: 1, replaced: 0 };
  expect(await close({ dryRun: true })).toMatchObject({ status: 200, body: { state: 'closed', closing } });
  expect(await ask()).toEqual([3, 1]);
  expect(await close()).toMatchObject({ status: 200, body: { state: 'closed', events: 2_002, closing } });
  expect(await ask()).toEqual([4_013, 3]); // a counts as it was stored before
  const again = await close();
  expect(again).toMatchObject({ status: 200, body: { state: 'closed', closing } });
  expect((await send(events(['e'], 1), of)).status).toBe(409);
  // Its identities are taken like all others.
  expect((await send(events(['d'], 50), { Prefer: 'wait=10' })).body).toMatchObject({ duplicates: 1 });

  const revert = () => call('POST', `/api/v1/backfills/${type}/revert`);
  expect(await revert()).toMatchObject({ status: 200, body: { state: 'reverted', closing } });
  expect(await ask()).toEqual([3, 1]);
  expect((await revert()).body).toEqual((await call('GET', `/api/v1/backfills/${type}`)).body);
  expect((await close()).status).toBe(409);
  expect((await send(events(['d'], 50), { Prefer: 'wait=10' })).body).toMatchObject({ stored: 1 });
  expect(await ask()).toEqual([53, 2]);
  const { body: audit } = await call('GET', `/api/v1/audit?resource=backfill&resourceId=${type}`);
  expect(audit.items.map(({ action }: { action: string }) => action)).toEqual(['revert', 'close', 'create']);
}, 60_000);

test('a backfill that replaces a range takes the events there out of count, and puts them back', async () => {
  const { type, events, send, ask } = await measured();
  await send(events(['later'], 100, '2026-03-02T00:00:00Z'), { Prefer: 'wait=10' });
  const replaces = { types: [type], from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z' };
  const open = (id: string) => call('POST', '/api/v1/backfills', { id, reason: 'again', replaces });
  const under = (id: string) => ({ 'Usage-Backfill': id, Prefer: 'wait=10' });
  const [first, second] = [`${type}-1`, `${type}-2`];
  for (const id of [first, second]) await open(id);
  await send(events(['a', 'b', 'x'], 5), under(first));
  await send(events(['a'], 7), under(second));
  const change = (id: string, what: string) => call('POST', `/api/v1/backfills/${id}/${what}`);
  expect((await change(first, 'close')).body.closing).toEqual({ counted: 3, duplicates: 0, replaced: 3 });
  expect(await ask()).toEqual([115, 2]);
  expect((await change(second, 'close')).body.closing).toEqual({ counted: 1, duplicates: 0, replaced: 3 });
  expect(await ask()).toEqual([107, 2]);
  expect(await change(first, 'revert')).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining(`${second} was closed later`) },
  });
  await change(second, 'revert');
  expect(await ask()).toEqual([115, 2]);
  await change(first, 'revert');
  expect(await ask()).toEqual([103, 2]);
}, 60_000);

test('an event of a backfill that was amended to another minute counts there no more after the revert', async () => {
  const { type, events, send, ask } = await measured();
  await call('POST', '/api/v1/backfills', { id: type, reason: 'lost' });
  await send(events(['d'], 10), { 'Usage-Backfill': type, Prefer: 'wait=10' });
  await call('POST', `/api/v1/backfills/${type}/close`);
  const amended = { action: 'amend', reason: 'the day was wrong', time: '2026-03-05T10:00:00Z' };
  expect(
    await call('POST', '/api/v1/corrections', { ...amended, event: { source: type, id: 'd' } }),
  ).toMatchObject({
    status: 200,
  });
  // Until the minutes are made anew, queries read them from the events.
  await withClient(apps.database.url, async (client) => {
    const left = async () =>
      (await client.query('SELECT count(*)::int AS count FROM stale_minutes')).rows[0].count;
    while ((await left()) > 0) await Bun.sleep(20);
  });
  expect(await ask()).toEqual([13, 2]);
  await call('POST', `/api/v1/backfills/${type}/revert`);
  expect(await ask()).toEqual([3, 1]);
}, 60_000);

test('a dead letter of a backfill is driven again into it, and counts when it is closed', async () => {
  const { type, events, ask } = await measured();
  await call('POST', '/api/v1/backfills', { id: type, reason: 'test' });
  const [event] = events(['late'], 40);
  const id = await withClient(apps.database.url, async (client) => {
    const { rows } = await client.query(
      `INSERT INTO dead_letters (kind, namespace, reason, frame_id, position, payload, backfill)
       VALUES ('event', 'default', 'test', $1, 0, $2, $1) RETURNING id::text`,
      [type, Buffer.from(JSON.stringify(event))],
    );
    return (rows[0] as { id: string }).id;
  });
  expect((await call('POST', '/api/v1/dead-letters/redrive', { ids: [id] })).body).toEqual({ redriven: 1 });
  const change = (what: string, body?: unknown) => call('POST', `/api/v1/backfills/${type}/${what}`, body);
  expect((await change('close', { dryRun: true })).body.closing.counted).toBe(1);
  expect(await ask()).toEqual([3, 1]);
  await change('close');
  expect(await ask()).toEqual([43, 2]);
}, 60_000);

test('what can only be a mistake is refused by name', async () => {
  const replaces = { types: ['x'], from: '2026-03-02T00:00:00Z', to: '2026-03-01T00:00:00Z' };
  for (const [path, body, status, words] of [
    ['', { id: 'x' }, 400, 'reason'],
    ['', { id: '-x', reason: 'x' }, 400, 'begin with a letter'],
    ['', { id: 'x', reason: 'x', replaces }, 400, 'from must be before to'],
    ['', { id: 'x', reason: 'x', replaces: { ...replaces, types: [] } }, 400, 'types'],
    ['', { id: 'x', reason: 'x', dryRun: true }, 400, 'dryRun'],
    ['/none/close', { dryrun: true }, 400, 'dryRun'],
    ['/none/close', undefined, 404, 'no backfill "none"'],
    ['/none/revert', undefined, 404, 'no backfill "none"'],
  ] as const)
    expect([path, body, await call('POST', `/api/v1/backfills${path}`, body)]).toMatchObject([
      path,
      body,
      { status, body: { detail: expect.stringContaining(words) } },
    ]);
  const event = { specversion: '1.0', id: 'x', source: 'x', type: 'x', subject: 'x' };
  for (const [id, status] of [
    ['none', 404],
    ['no id', 400],
  ] as const)
    expect((await call('POST', '/api/v1/events', event, { 'Usage-Backfill': id })).status).toBe(status);
});
