import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { eventText, startGateway, type TestGateway } from './start.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

/** Sends each head, its body only once that is asked for, and the next one after the answer. */
function exchange(expectations: string[]): Promise<string[]> {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const bodies = expectations.map((_, n) => eventText(`e${n}`));
  const heads = expectations.map(
    (expectation, n) =>
      `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${bodies[n]!.length}\r\nExpect: ${expectation}\r\n\r\n`,
  );
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1', () => socket.write(heads.shift()!));
  let received = '';
  let seen = 0;
  socket.on('data', (chunk) => {
    received += chunk;
    const statuses = [...received.matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n/g)].map(([, status]) => status!);
    for (const status of statuses.slice(seen)) {
      if (status === '100') socket.write(bodies.shift()!);
      else if (heads.length > 0) socket.write(heads.shift()!);
      else {
        socket.destroy();
        resolve(statuses);
      }
    }
    seen = statuses.length;
  });
  return promise;
}

test('Expect: 100-continue is answered before the body is sent, in every case of its letters', async () => {
  // As curl, JDK's HttpClient and others write it, one after another on one connection.
  const statuses = await exchange(['100-continue', '100-Continue', '100-CONTINUE', '100-Continue']);
  expect(statuses).toEqual(['100', '204', '100', '204', '100', '204', '100', '204']);
});

test('many connections at once: each is answered on its own', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => exchange(['100-Continue'])));
  expect(all).toEqual(Array(50).fill(['100', '204']));
});
