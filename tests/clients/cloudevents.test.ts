import { afterAll, beforeAll, expect, test } from 'bun:test';
import { CloudEvent, emitterFor, type Message, Mode } from 'cloudevents';
import { type RunningApps, startApps } from '../support/apps.ts';

/** CloudEvents' own client for JavaScript, in both of HTTP's modes, against the real processes. */
const startMsMax = 60_000;
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

const statuses: number[] = [];

async function send({ headers, body }: Message): Promise<void> {
  const response = await fetch(`${apps.url}/api/v1/events`, {
    method: 'POST',
    headers: { ...(headers as Record<string, string>), Prefer: 'wait=20' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  statuses.push(response.status);
  await response.arrayBuffer();
}

test.each([Mode.BINARY, Mode.STRUCTURED])(
  'an event that it sends in mode %s is stored as it was',
  async (mode) => {
    const emit = emitterFor(send, { mode });
    const sent = {
      id: `js-${mode}`,
      source: '/clients/js',
      type: `js.${mode}`,
      subject: 'Müller 100%',
      time: '2026-03-01T10:00:00.123Z',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      data: { tokens: 1432.5, model: 'größer' },
    };
    await emit(new CloudEvent({ ...sent, datacontenttype: 'application/json' }));
    expect(statuses.at(-1)).toBe(200);
    const listed = await fetch(`${apps.url}/api/v1/events?id=${sent.id}&from=2026-01-01T00:00:00Z`);
    expect(await listed.json()).toMatchObject([{ event: sent }]);
  },
);

test('data in base64 that is JSON is data', async () => {
  const event = new CloudEvent({
    id: 'js-base64',
    source: '/clients/js',
    type: 'js.base64',
    subject: 'a',
    datacontenttype: 'application/json',
    data_base64: Buffer.from('{"tokens":7}').toString('base64'),
  });
  await send({
    headers: { 'Content-Type': 'application/cloudevents+json' },
    body: JSON.stringify(event.toJSON()),
  });
  expect(statuses.at(-1)).toBe(200);
  const listed = await fetch(`${apps.url}/api/v1/events?id=js-base64`);
  expect(await listed.json()).toMatchObject([{ event: { id: 'js-base64', data: { tokens: 7 } } }]);
});
