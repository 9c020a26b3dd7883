import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { getChannel, insertChannel } from '@usage/db/notifications/channels.ts';
import { getEvent, insertEvents, newEventId, resendEvent } from '@usage/db/notifications/events.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { limitsMetrics } from '@usage/limits/metrics.ts';
import { Deliveries } from '@usage/limits/notifications/deliver.ts';
import { notificationRetention } from '@usage/limits/notifications/retention.ts';
import { Registry } from 'prom-client';
import { ulid } from 'ulid';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { Receiver } from './receiver.ts';

/** What takes days of the clock: the service's own parts on a real database, with a clock of the test's. */

let database: TestDatabase;
let sql: Sql;
let receiver: Receiver;
const log = createLog('test', 'silent');
const namespace = 'default';
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMsMax = 60_000;

beforeAll(async () => {
  database = await createDatabase();
  sql = connect({ url: database.url, name: 'test', connectionsMax: 4, statementMsMax: 10_000 });
  receiver = new Receiver();
  receiver.secret = Buffer.from('a secret of twenty-four b').toString('base64');
}, startMsMax);
afterAll(async () => {
  await receiver?.stop();
  await sql?.end();
  await database?.drop();
}, startMsMax);

async function channel(path: string) {
  const fields = { name: path, disabled: false, url: receiver.url(path), customHeaders: undefined };
  const { id } = await sql.begin((tx) =>
    insertChannel(tx, namespace, { ...fields, signingSecret: receiver.secret, metadata: undefined }),
  );
  return id;
}

async function event(channelId: string, id = newEventId()) {
  const what = { namespace, type: 'entitlements.reset', ruleId: 'rule', rule: {}, payload: {} };
  const of = { featureId: undefined, featureKey: undefined, subject: undefined, channelIds: [channelId] };
  await sql.begin((tx) => insertEvents(tx, [{ id, ...what, ...of }]));
  return id;
}

/** Until the first delivery of the event is so. */
async function until(
  id: string,
  isSo: (delivery: { state: string; attempts: object[]; reason: string }) => boolean,
) {
  for (;;) {
    const delivery = (await getEvent(sql, namespace, id))!.deliveries[0]!;
    if (isSo(delivery)) return delivery;
    await Bun.sleep(20);
  }
}

test('an endpoint that has only failed for 72 hours is disabled; one success in between begins anew', async () => {
  const metrics = limitsMetrics(new Registry());
  const id = await channel('/failing');
  const first = await event(id);
  let attempts = 0;
  /** One more attempt at a time, which has been noted when it returns. */
  const attempt = async (atMs: number, status: number) => {
    receiver.answer = () => new Response('no', { status });
    if (attempts++ > 0) await sql.begin((tx) => resendEvent(tx, first, undefined));
    const options = { msMax: 2_000, addresses: 'any' } as const;
    const deliveries = new Deliveries(sql, options, metrics, log, () => atMs);
    deliveries.loop.start();
    await until(first, (delivery) => delivery.attempts.length === attempts);
    await deliveries.stop();
    return (await getChannel(sql, namespace, id))!;
  };
  const ms = Date.now();
  expect(await attempt(ms, 500)).toMatchObject({ disabled: false, failingSince: new Date(ms) });
  expect(await attempt(ms + 71 * hourMs, 500)).toMatchObject({ disabled: false, failingSince: new Date(ms) });
  expect((await attempt(ms + 71 * hourMs, 200)).failingSince).toBeUndefined();
  const again = ms + 73 * hourMs;
  expect(await attempt(again, 500)).toMatchObject({ disabled: false, failingSince: new Date(again) });
  expect((await attempt(again + 72 * hourMs, 500)).disabled).toBe(false);
  const disabled = await attempt(again + 72 * hourMs + 1, 500);
  expect(disabled.disabled).toBe(true);
  expect(disabled.annotations?.disabledReason).toContain('every attempt has failed since');
  expect((await metrics.channelsDisabled.get()).values[0]!.value).toBe(1);
  // Nothing more is made for it.
  expect((await getEvent(sql, namespace, await event(id)))!.deliveries).toEqual([]);
}, 60_000);

test('events are forgotten with the log of their deliveries once they are older than they are kept', async () => {
  receiver.answer = () => new Response('ok');
  const id = await channel('/old');
  const now = Date.now();
  const old = await Promise.all(
    Array.from({ length: 3 }, (_, n) => event(id, ulid(now - 90 * dayMs - n - 1))),
  );
  const kept = await event(id, ulid(now - 90 * dayMs + 60_000));
  const metrics = limitsMetrics(new Registry());
  const deliveries = new Deliveries(sql, { msMax: 2_000, addresses: 'any' }, metrics, log);
  deliveries.loop.start();
  for (const one of [...old, kept]) await until(one, ({ state }) => state === 'SUCCESS');
  await deliveries.stop();
  const retention = notificationRetention(sql, 90, log, () => now);
  retention.start();
  const left = async () =>
    (await Promise.all([...old, kept].map((one) => getEvent(sql, namespace, one)))).map((one) => one?.id);
  while ((await left()).filter(Boolean).length > 1) await Bun.sleep(20);
  await retention.stop();
  expect(await left()).toEqual([undefined, undefined, undefined, kept]);
  expect((await getEvent(sql, namespace, kept))!.deliveries[0]!.attempts).toHaveLength(1);
}, 60_000);
