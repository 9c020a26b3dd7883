import { afterAll, beforeAll, expect, test } from 'bun:test';
import { isRefused } from './addresses.ts';
import { send } from './send.ts';

/** What a webhook must not reach. */

let server: ReturnType<typeof Bun.serve>;
let asked = 0;
beforeAll(() => {
  server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(String(++asked)) });
});
afterAll(() => server.stop(true));

test('private, local and special addresses are refused, whatever their notation; public ones are not', () => {
  for (const address of [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '[::1]',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::7f00:1',
    'fe80::1',
    'fd00::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'not an address',
  ])
    expect([address, isRefused(address)]).toEqual([address, true]);
  for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])
    expect([address, isRefused(address)]).toEqual([address, false]);
});

const delivery = {
  eventId: 'e',
  channelId: 'c',
  namespace: 'n',
  tries: 0,
  takenAt: '2026-01-01T00:00:00Z',
  payload: {},
  customHeaders: null,
  signingSecret: Buffer.from('a secret of twenty-four b').toString('base64'),
};

test('a name that leads to this machine is refused when it is connected to, and so is every notation of it', async () => {
  for (const host of ['localhost', '127.0.0.1', '127.1', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]']) {
    const url = `http://${host}:${server.port}/`;
    const attempt = await send({ ...delivery, url }, { msMax: 2_000, addresses: 'public' });
    expect([host, attempt.state, attempt.body]).toEqual([
      host,
      'FAILED',
      expect.stringContaining('not public'),
    ]);
  }
  expect(asked).toBe(0);
  const allowed = await send(
    { ...delivery, url: `http://localhost:${server.port}/` },
    { msMax: 2_000, addresses: 'any' },
  );
  expect(allowed).toMatchObject({ state: 'SUCCESS', statusCode: 200, body: '1' });
});
