import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { elementsOf } from '@usage/gateway/events/elements.ts';
import { preferencesOf } from '@usage/gateway/events/prefer.ts';
import fc from 'fast-check';
import { withClient } from '../../db/connection/client.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { startTestRedis } from '../support/servers.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { eventText, startGateway, type TestGateway } from './start.ts';

const startMsMax = 60_000;
let gateway: TestGateway;
let apps: RunningApps;
beforeAll(async () => {
  [gateway, apps] = await Promise.all([startGateway(), startApps()]);
}, startMsMax);
afterAll(async () => {
  await Promise.all([gateway?.stop(), apps?.stop()]);
}, startMsMax);
beforeEach(() => gateway.clear());

const bad = (id: string) => eventText(id).replace('"subject":"customer-1"', '"subject":""');
const send = (url: string, body: string, prefer: string, type = 'application/json') =>
  fetch(`${url}/api/v1/events`, { method: 'POST', body, headers: { 'Content-Type': type, Prefer: prefer } });
async function keptIds(): Promise<string[]> {
  return (await gateway.frames())
    .flat()
    .flatMap(({ events }) => events.map((event) => (event as { id: string }).id));
}

describe('handling=lenient', () => {
  test('keeps the good events, tells of the bad ones', async () => {
    const body = `[ ${eventText('1')}, ${bad('2')} ,{"id":3},${eventText('4', ',"data":{"a":"],[{\\\\\\"","n":0.10000000000000000001}')} ]`;
    const response = await send(gateway.url, body, 'handling=lenient');
    expect(response.status).toBe(200);
    expect(response.headers.get('preference-applied')).toBe('handling=lenient');
    expect(await response.json()).toMatchObject({
      received: 4,
      rejected: 2,
      committed: false,
      events: [
        {
          index: 1,
          id: '2',
          outcome: 'rejected',
          validationErrors: [{ field: 'subject', reason: 'must not be empty' }],
        },
        { index: 2, outcome: 'rejected' },
      ],
    });
    expect(await keptIds()).toEqual(['1', '4']);
    const [frame] = await gateway.rawFrames();
    const text =
      frame![0] === 1
        ? frame!.subarray(1).toString()
        : Bun.zstdDecompressSync(new Uint8Array(frame!.subarray(1))).toString();
    expect(text).toContain('0.10000000000000000001');
  });

  test('all good: 204. None good: 400, as without it', async () => {
    expect((await send(gateway.url, `[${eventText('1')}]`, 'handling=lenient')).status).toBe(204);
    expect((await send(gateway.url, `[${bad('1')}]`, 'handling=lenient')).status).toBe(400);
  });

  test('the text of every element is found, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 2), (values, space) => {
        const found = elementsOf(JSON.stringify(values, null, space));
        expect(found.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(values)));
      }),
    );
  });
});

describe('return=representation', () => {
  test('has an outcome for each event', async () => {
    const response = await send(
      gateway.url,
      `[${eventText('1')},${eventText('2')}]`,
      'return=representation',
    );
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      received: 2,
      rejected: 0,
      committed: false,
      events: [
        { index: 0, id: '1', source: 'test', outcome: 'accepted' },
        { index: 1, id: '2', source: 'test', outcome: 'accepted' },
      ],
    });
  });
});

describe('wait=N', () => {
  test('answers after the commit, with the duplicates named', async () => {
    const first = await send(apps.url, `[${eventText('a')},${eventText('b')}]`, 'wait=10');
    expect(first.status).toBe(200);
    expect(first.headers.get('preference-applied')).toBe('wait=10');
    expect(await first.json()).toEqual({
      received: 2,
      rejected: 0,
      committed: true,
      stored: 2,
      duplicates: 0,
      deadLetters: 0,
      events: [],
    });
    const again = `[${bad('x')},${eventText('b')},${eventText('c')}]`;
    const second = await send(apps.url, again, 'wait=10, return=representation, handling=lenient');
    expect(await second.json()).toMatchObject({
      committed: true,
      stored: 1,
      duplicates: 1,
      events: [
        { index: 0, id: 'x', outcome: 'rejected' },
        { index: 1, id: 'b', outcome: 'duplicate' },
        { index: 2, id: 'c', outcome: 'stored' },
      ],
    });
  });

  test('what the database refuses is named as a dead letter with the reason, the others are stored', async () => {
    await withClient(apps.database.url, async (client) => {
      await client.query(`
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not wanted here' USING ERRCODE = 'data_exception'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.id = 'refused') EXECUTE FUNCTION refuse()`);
    });
    const body = `[${eventText('before')},${eventText('refused')},${bad('x')},${eventText('after')}]`;
    const dead = {
      index: 1,
      id: 'refused',
      source: 'test',
      outcome: 'dead_letter',
      reason: 'not wanted here',
    };
    const response = await send(apps.url, body, 'wait=10, handling=lenient');
    expect(await response.json()).toMatchObject({
      received: 4,
      rejected: 1,
      committed: true,
      stored: 2,
      duplicates: 0,
      deadLetters: 1,
      events: [dead, { index: 2, outcome: 'rejected' }],
    });
    const represented = await send(apps.url, eventText('refused'), 'wait=10, return=representation');
    expect(await represented.json()).toMatchObject({
      stored: 0,
      deadLetters: 1,
      events: [{ ...dead, index: 0 }],
    });
    const letters = await (await fetch(`${apps.url}/api/v1/dead-letters`)).json();
    expect(letters).toMatchObject({
      items: [{ reason: dead.reason }, { kind: 'event', event: { id: 'refused' } }],
    });
    await withClient(apps.database.url, (client) =>
      client.query('DROP TRIGGER refuse ON events; DROP FUNCTION refuse()'),
    );
  });

  test('no commit in time: 202, the events are kept', async () => {
    const response = await send(gateway.url, eventText('slow'), 'wait=1');
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ received: 1, committed: false });
    expect(await keptIds()).toEqual(['slow']);
  });
});

describe('the header', () => {
  test.each([
    ['handling=lenient', { lenient: true, representation: false, waitSeconds: undefined }],
    [
      'respond-async, wait=5;x=y, HANDLING="lenient"',
      { lenient: true, representation: false, waitSeconds: 5 },
    ],
    [
      'return=representation, return=minimal',
      { lenient: false, representation: true, waitSeconds: undefined },
    ],
    ['wait=100000', { lenient: false, representation: false, waitSeconds: 30 }],
    [
      'wait=-1, wait=2, handling=maybe, ,=,;',
      { lenient: false, representation: false, waitSeconds: undefined },
    ],
  ])('%s', (prefer, expected) => {
    expect(preferencesOf(new Headers({ prefer }))).toEqual(expected);
  });
});

describe('application/x-ndjson', () => {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => eventText(`${from + n}`)).join('\n');
  const post = (body: string, prefer = '') => send(gateway.url, body, prefer, 'application/x-ndjson');

  test('every line is an event; empty ones and CRLF are fine', async () => {
    const response = await post(`\n${eventText('1')}\r\n\n${eventText('2')}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ received: 2, accepted: 2, rejected: 0, events: [] });
    expect(await keptIds()).toEqual(['1', '2']);
  });

  test('a bad line ends it: what stood before is kept, and the client is told where to go on', async () => {
    const response = await post(`${lines(0, 700)}\n${bad('x')}\n${lines(700, 1_000)}`);
    expect(response.status).toBe(400);
    const problem = (await response.json()) as { detail: string; extensions: Record<string, unknown> };
    expect(problem.extensions).toMatchObject({ linesDone: 700, accepted: 700 });
    expect(problem.detail).toContain('Line 701 is not valid: subject must not be empty');
    expect(await keptIds()).toHaveLength(700);
  });

  test('lenient: bad lines are left out and told', async () => {
    const response = await post(`${lines(0, 10)}\n{"oops\n${bad('x')}\n${lines(10, 20)}`, 'handling=lenient');
    expect(response.headers.get('preference-applied')).toBe('handling=lenient');
    expect(await response.json()).toMatchObject({
      received: 22,
      accepted: 20,
      rejected: 2,
      events: [
        { line: 11, validationErrors: [{ field: '', reason: 'is not JSON' }] },
        { line: 12, outcome: 'rejected' },
      ],
    });
  });

  test('a line without end is given up', async () => {
    expect((await post(`{"a":"${'x'.repeat(1_100_000)}`)).status).toBe(413);
  });

  test('200 MB in one request: the gateway holds a few parts of it at a time', async () => {
    const server = await startTestRedis({ maxmemory: '1gb' });
    const child = await startGatewayProcess({ REDIS_URL: server.url });
    const event = eventText('same', `,"data":{"x":"${'y'.repeat(400)}"}`);
    const piece = Buffer.from(`${Array(500).fill(event).join('\n')}\n`);
    /** The most that the gateway was at while it took so many bytes. */
    const peakOf = async (bytes: number) => {
      const pieces = Math.ceil(bytes / piece.length);
      let sent = 0;
      let peakBytes = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          peakBytes = Math.max(peakBytes, child.residentBytes());
          if (sent++ < pieces) controller.enqueue(piece);
          else controller.close();
        },
      });
      const headers = { 'Content-Type': 'application/x-ndjson' };
      const response = await fetch(`${child.url}/api/v1/events`, { method: 'POST', body, headers });
      expect(await response.json()).toMatchObject({ accepted: pieces * 500, rejected: 0 });
      return peakBytes;
    };
    const startBytes = child.residentBytes();
    // Grows by garbage that is not collected yet, whatever the length: 120 to 135 MB after 60 MB or 800 MB of lines.
    const firstBytes = await peakOf(60_000_000);
    const peakBytes = await peakOf(200_000_000);
    expect(peakBytes - startBytes).toBeLessThan(190_000_000);
    expect(peakBytes - firstBytes).toBeLessThan(90_000_000);
    await child.stop();
    await server.stop();
  }, 20_000);
});

/** A gateway as a process of its own, whose memory is no one else's. */
async function startGatewayProcess(env: Record<string, string>) {
  const all = { PATH: process.env.PATH, AUTH: 'off', API_PORT: '0', ...env };
  const child = spawnApp('gateway', all, 'inherit');
  let text = '';
  for await (const chunk of child.stdout.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    if (text.includes('"msg":"listening"')) break;
  }
  const { port } = JSON.parse(text.split('\n').find((line) => line.includes('"msg":"listening"'))!);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1_024;
    },
    async stop() {
      child.kill('SIGTERM');
      expect(await child.exited).toBe(0);
    },
  };
}
