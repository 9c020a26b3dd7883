import { afterAll, beforeAll, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, caller, settled } from './call.ts';
import { Receiver } from './receiver.ts';

/** Channels, rules, thresholds and webhooks, by OpenMeter's client and by hand, against the real processes. */

let apps: RunningApps;
let client: OpenMeter;
let call: Call;
let receiver: Receiver;
let events = 0;
const startMsMax = 60_000;

beforeAll(async () => {
  apps = await startApps({ WEBHOOK_ADDRESSES: 'any', WEBHOOK_MS_MAX: '1000' });
  client = new OpenMeter({ baseUrl: apps.url });
  call = caller(apps.url);
  receiver = new Receiver();
  receiver.secret = Buffer.from('a secret of twenty-four b').toString('base64');
  await client.meters.create({
    slug: 'calls',
    eventType: 'call',
    aggregation: 'SUM',
    valueProperty: '$.n',
    groupBy: { model: '$.model' },
  });
}, startMsMax);
afterAll(async () => {
  await apps?.stop();
  await receiver?.stop();
}, startMsMax);

async function use(subject: string, n: number, model = 'x') {
  await client.events.ingest([
    { id: `n${events++}`, source: 'test', type: 'call', subject, time: new Date(), data: { n, model } },
  ]);
}

async function channel(path: string, more: object = {}) {
  const { body } = await call('POST', '/api/v1/notification/channels', {
    type: 'WEBHOOK',
    name: path,
    url: receiver.url(path),
    signingSecret: receiver.secret,
    ...more,
  });
  return body.id as string;
}

/** A customer and a feature of its own with 1,000 a month. */
async function thousand(name: string, issueAfterReset = 1000) {
  await client.features.create({ key: name, name, meterSlug: 'calls' });
  await entitled(name, name, issueAfterReset);
}

async function entitled(name: string, featureKey = name, issueAfterReset = 1000) {
  await client.customers.create({ name, key: name });
  await call('POST', `/api/v2/customers/${name}/entitlements`, {
    type: 'metered',
    featureKey,
    usagePeriod: { interval: 'MONTH', anchor: '2026-01-01T00:00:00Z' },
    measureUsageFrom: 'CURRENT_PERIOD_START',
    issueAfterReset,
  });
}

test('channels are created, got, listed, replaced and deleted; the secret is kept and made', async () => {
  const { channels } = client.notifications;
  const created = (await channels.create({
    type: 'WEBHOOK',
    name: 'one',
    url: 'https://example.com/hook',
    customHeaders: { 'X-Token': 'a' },
  } as never))!;
  expect(created.signingSecret).toMatch(/^whsec_[\w+/=]{32}$/);
  expect(await channels.get(created.id)).toEqual(created);
  const replaced = (await channels.update(created.id, {
    type: 'WEBHOOK',
    name: 'two',
    url: 'https://example.com/',
  } as never))!;
  expect(replaced).toMatchObject({ name: 'two', signingSecret: created.signingSecret! });
  expect(replaced.customHeaders).toBeUndefined();
  expect(await channels.list()).toMatchObject({ totalCount: 1 });
  await channels.delete(created.id);
  expect(await channels.list()).toMatchObject({ totalCount: 0 });
  for (const url of ['ftp://example.com', 'nonsense', 'https://user:pass@example.com'])
    expect(
      (await call('POST', '/api/v1/notification/channels', { type: 'WEBHOOK', name: 'x', url })).status,
    ).toBe(400);
  const audit = await call('GET', `/api/v1/audit?resourceId=${created.id}`);
  expect(JSON.stringify(audit.body)).not.toContain(created.signingSecret!.slice(6));
});

test('a warning at 80 %, a stop at 100 %: each once, ≥, what was skipped is named', async () => {
  const id = await channel('/eighty', { customHeaders: { 'X-Token': 'secret' } });
  const rule = (await client.notifications.rules.create({
    type: 'entitlements.balance.threshold',
    name: '80 and 100',
    thresholds: [
      { type: 'usage_percentage', value: 80 },
      { type: 'usage_percentage', value: 100 },
      { type: 'balance_value', value: 0 },
    ],
    channels: [id],
  }))!;
  await thousand('eighty');
  await use('eighty', 799);
  await use('eighty', 1);
  const [first] = await receiver.wait('/eighty', 1);
  expect(first!.headers.get('x-token')).toBe('secret');
  expect(first!.body).toMatchObject({
    id: first!.id,
    type: 'entitlements.balance.threshold',
    data: {
      customer: { key: 'eighty' },
      feature: { key: 'eighty' },
      value: { usage: 800, balance: 200 },
      threshold: { type: 'usage_percentage', value: 80 },
      skippedThresholds: [],
    },
  });
  await use('eighty', 200);
  const all = await receiver.wait('/eighty', 3);
  expect(all.slice(1).map(({ body }) => body.data.threshold)).toEqual(
    expect.arrayContaining([
      { type: 'usage_percentage', value: 100 },
      { type: 'balance_value', value: 0 },
    ]),
  );
  // Below and above again fires nothing; a jump over both names the one that was skipped.
  await use('eighty', -300);
  await use('eighty', 300);
  await thousand('jump');
  await use('jump', 1500);
  const jumped = (await receiver.wait('/eighty', 5)).filter(({ body }) => body.data.customer.key === 'jump');
  expect(jumped.map(({ body }) => body.data.skippedThresholds)).toEqual(
    expect.arrayContaining([[{ type: 'usage_percentage', value: 80 }], []]),
  );
  await settled(apps.url, 'calls');
  const listed = (await client.notifications.events.list({ rule: [rule.id], subject: ['eighty'] }))!;
  expect(listed.totalCount).toBe(3);
  const delivered = async () => (await client.notifications.events.get(first!.id))!.deliveryStatus[0]!;
  let status = await delivered();
  while (status.state !== 'SUCCESS') status = await delivered();
  expect(status).toMatchObject({
    channel: { id },
    attempts: [{ state: 'SUCCESS', response: { statusCode: 200, body: 'ok' } }],
  });
});

test('a reset is notified, and thresholds fire anew in the new period', async () => {
  const id = await channel('/reset');
  await thousand('reset', 10);
  for (const rule of [
    { type: 'entitlements.reset', name: 'reset', channels: [id], features: ['reset'] },
    {
      type: 'entitlements.balance.threshold',
      name: 'used',
      thresholds: [{ type: 'usage_value', value: 5 }],
      channels: [id],
      features: ['reset'],
    },
  ])
    expect((await call('POST', '/api/v1/notification/rules', rule)).status).toBe(201);
  await use('reset', 5);
  await receiver.wait('/reset', 1);
  await call('POST', '/api/v2/customers/reset/entitlements/reset/reset', {});
  await receiver.wait('/reset', 2);
  await use('reset', 6);
  const all = await receiver.wait('/reset', 3);
  expect(all.map(({ body }) => body.type)).toEqual([
    'entitlements.balance.threshold',
    'entitlements.reset',
    'entitlements.balance.threshold',
  ]);
  expect(all[2]!.body.data.value).toMatchObject({ usage: 6 });
});

test('plain meters: of a subject, a customer, a group and all, without any entitlement', async () => {
  const id = await channel('/plain');
  const customer = (await client.customers.create({
    name: 'p',
    key: 'p',
    usageAttribution: { subjectKeys: ['p1', 'p2'] },
  }))!;
  const base = { type: 'usage.threshold', channels: [id], thresholds: [{ type: 'usage_value', value: 50 }] };
  for (const usage of [
    { of: 'subject', period: 'DAY', timeZone: 'Europe/Berlin' },
    { of: 'customer', period: 'MONTH' },
    { of: 'group', groupBy: ['model'], period: 'ROLLING', seconds: 3600, filterGroupBy: { model: 'huge' } },
  ]) {
    const made = await call('POST', '/api/v1/notification/rules', {
      ...base,
      name: usage.of,
      usage: { meterSlug: 'calls', ...usage },
    });
    expect(made.status).toBe(201);
  }
  await use('p1', 30, 'huge');
  await use('p2', 30, 'huge');
  await use('solo', 50);
  const isOwn = (data: { subject?: string; customerId?: string; groupBy?: object }) =>
    data.customerId === customer.id || data.groupBy || data.subject === 'solo';
  for (let n = 3; ; n++) {
    const own = (await receiver.wait('/plain', n)).map(({ body }) => body.data).filter(isOwn);
    if (own.length < 3) continue;
    expect(own).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ meter: 'calls', customerId: expect.any(String), usage: 60 }),
        expect.objectContaining({ groupBy: { model: 'huge' }, usage: 60 }),
        expect.objectContaining({ subject: 'solo', usage: 50 }),
      ]),
    );
    break;
  }
  const wrong = await call('POST', '/api/v1/notification/rules', {
    ...base,
    name: 'wrong',
    usage: { meterSlug: 'none', of: 'group', period: 'ROLLING' },
    features: ['x'],
  });
  expect(wrong.body.extensions.validationErrors.map(({ field }: { field: string }) => field).sort()).toEqual([
    'features',
    'features[0]',
    'usage.groupBy',
    'usage.meterSlug',
    'usage.seconds',
  ]);
});

test('a correction that raises usage fires at once, one that lowers and raises it again fires nothing twice', async () => {
  const id = await channel('/corrected');
  await client.notifications.rules.create({
    type: 'entitlements.balance.threshold',
    name: 'corrected',
    thresholds: [{ type: 'usage_value', value: 500 }],
    channels: [id],
    features: [(await client.features.create({ key: 'corrected', name: 'c', meterSlug: 'calls' }))!.id],
  });
  await entitled('corrected');
  const correct = async (body: object) => {
    const { status, body: answer } = await call('POST', '/api/v1/corrections', { reason: 'test', ...body });
    expect(status).toBe(200);
    return answer.corrections[0] as string;
  };
  await use('corrected', 400);
  const event = { source: 'test', id: `n${events - 1}` };
  await settled(apps.url, 'calls');
  // No event comes any more: the correction alone says that somebody has to look.
  const raised = await correct({ action: 'amend', event, data: { n: 500, model: 'x' } });
  const [fired] = await receiver.wait('/corrected', 1);
  expect(fired!.body.data).toMatchObject({ customer: { key: 'corrected' }, value: { usage: 500 } });
  expect((await call('DELETE', `/api/v1/corrections/${raised}`)).status).toBeLessThan(300);
  await correct({ action: 'amend', event, data: { n: 600, model: 'x' } });
  // What comes after it has come: nothing else did before.
  await entitled('corrected-too', 'corrected');
  await use('corrected-too', 900);
  const all = await receiver.wait('/corrected', 2);
  expect(all.map(({ body }) => body.data.customer.key)).toEqual(['corrected', 'corrected-too']);
  // A void raises it too, where what was voided took something away; so does putting it back.
  await entitled('voided', 'corrected');
  await use('voided', 700);
  await use('voided', -300);
  const credit = { source: 'test', id: `n${events - 1}` };
  await settled(apps.url, 'calls');
  await correct({ action: 'void', event: credit });
  expect((await receiver.wait('/corrected', 3))[2]!.body.data).toMatchObject({
    customer: { key: 'voided' },
    value: { usage: 700 },
  });
});

test('a subject that a customer gets brings its usage: thresholds are looked at at once', async () => {
  const id = await channel('/joined');
  await client.features.create({ key: 'joined', name: 'joined', meterSlug: 'calls' });
  await client.notifications.rules.create({
    type: 'entitlements.balance.threshold',
    name: 'joined',
    thresholds: [{ type: 'usage_value', value: 100 }],
    channels: [id],
    features: ['joined'],
  });
  await entitled('joined');
  await use('joined-late', 100);
  await settled(apps.url, 'calls');
  const { body: customer } = await call('GET', '/api/v1/customers/joined');
  const subjects = { name: 'joined', key: 'joined', usageAttribution: { subjectKeys: ['joined-late'] } };
  expect((await call('PUT', `/api/v1/customers/${customer.id}`, subjects)).status).toBe(200);
  expect((await receiver.wait('/joined', 1))[0]!.body.data.value).toMatchObject({ usage: 100 });
});

test('a rule is tried out, its events are sent again, and a slow endpoint holds up nobody', async () => {
  await client.features.create({ key: 'tryout', name: 'tryout', meterSlug: 'calls' });
  const slow = await channel('/slow');
  const quick = await channel('/quick');
  const moved = await channel('/moved');
  receiver.answer = ({ path }) =>
    path === '/slow'
      ? new Promise(() => {})
      : path === '/moved'
        ? new Response('elsewhere', { status: 302, headers: { Location: receiver.url('/quick') } })
        : new Response('ok');
  const rule = (await client.notifications.rules.create({
    type: 'entitlements.balance.threshold',
    name: 'try',
    thresholds: [{ type: 'usage_percentage', value: 80 }],
    channels: [slow, quick, moved],
    features: ['tryout'],
  }))!;
  const tested = await call('POST', `/api/v1/notification/rules/${rule.id}/test`);
  expect(tested.status).toBe(201);
  const [got] = await receiver.wait('/quick', 1);
  expect(got!.body).toMatchObject({ isTest: true, type: 'entitlements.balance.threshold' });
  await client.notifications.events.resend(tested.body.id, { channels: [quick] });
  const twice = await receiver.wait('/quick', 2);
  expect(new Set(twice.map(({ id }) => id)).size).toBe(1);
  const failed = async (channelId: string) =>
    (await call('GET', `/api/v1/notification/events/${tested.body.id}`)).body.deliveryStatus.find(
      (one: { channel: { id: string } }) => one.channel.id === channelId,
    );
  for (const [id, expected] of [
    [slow, { body: 'no answer within 1000 ms' }],
    [moved, { statusCode: 302, body: 'elsewhere' }],
  ] as const) {
    let status = await failed(id);
    while (status.attempts.length === 0) status = await failed(id);
    expect(status).toMatchObject({
      state: 'SENDING',
      nextAttempt: expect.any(String),
      attempts: [{ response: expected }],
    });
  }
  expect(receiver.received.filter(({ path }) => path === '/quick')).toHaveLength(2);
});

test('what is to be sent again while an attempt is under way is sent again', async () => {
  const id = await channel('/again');
  const rule = (await client.notifications.rules.create({
    type: 'entitlements.balance.threshold',
    name: 'again',
    thresholds: [{ type: 'usage_percentage', value: 80 }],
    channels: [id],
  }))!;
  const answering = Promise.withResolvers<void>();
  receiver.answer = async (_, n) => {
    if (n === 1) await answering.promise;
    return new Response('ok');
  };
  const { body: event } = await call('POST', `/api/v1/notification/rules/${rule.id}/test`);
  await receiver.wait('/again', 1);
  await client.notifications.events.resend(event.id);
  answering.resolve();
  expect(new Set((await receiver.wait('/again', 2)).map((one) => one.id)).size).toBe(1);
  receiver.answer = () => new Response('ok');
  await client.notifications.rules.delete(rule.id);
});

test('rules are got, listed by feature and channel, replaced and deleted', async () => {
  const { rules } = client.notifications;
  const id = await channel('/rules');
  await client.features.create({ key: 'ruled', name: 'ruled', meterSlug: 'calls' });
  const input = {
    type: 'entitlements.reset' as const,
    name: 'r',
    channels: [id],
    features: ['ruled'],
  };
  const created = (await rules.create(input)) as { id: string; features: { key: string }[] };
  expect(created.features).toMatchObject([{ key: 'ruled' }]);
  expect(await rules.get(created.id)).toMatchObject({ id: created.id });
  expect(await rules.list({ feature: ['ruled'] })).toMatchObject({ totalCount: 1 });
  expect(await rules.list({ channel: [id] })).toMatchObject({ totalCount: 1 });
  expect(await rules.update(created.id, { ...input, name: 's', disabled: true })).toMatchObject({
    name: 's',
  });
  expect(await rules.list({ feature: ['ruled'] })).toMatchObject({ totalCount: 0 });
  await rules.delete(created.id);
  expect((await call('GET', `/api/v1/notification/rules/${created.id}`)).status).toBe(404);
});
