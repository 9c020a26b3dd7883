import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import zlib from 'node:zlib';
import { eventText, startGateway, type TestGateway } from '../gateway/start.ts';

const bodyBytesMax = 1_000_000;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ BODY_BYTES_MAX: String(bodyBytesMax) });
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.clear());

const pack: Record<string, (bytes: Buffer) => Uint8Array> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } }),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
};

const batch = (count: number) =>
  `[${Array.from({ length: count }, (_, n) => eventText(`${n}`, ',"data":{"n":12345678901234567890.10}')).join(',')}]`;

async function keptEvents(): Promise<number> {
  return (await gateway.frames()).flat().reduce((sum, part) => sum + part.events.length, 0);
}

describe.each(Object.keys(pack))('%s', (encoding) => {
  const post = (body: Uint8Array, type = 'application/json') =>
    gateway.post(body, type, { 'Content-Encoding': encoding });

  test('a packed batch is kept', async () => {
    expect((await post(pack[encoding]!(Buffer.from(batch(100))))).status).toBe(204);
    expect(await keptEvents()).toBe(100);
  });

  test('a bomb is a 413, told as soon as it passes the limit', async () => {
    const bomb = pack[encoding]!(Buffer.alloc(256_000_000, ' '));
    const before = process.memoryUsage.rss();
    const startedMs = performance.now();
    const response = await post(bomb);
    expect(response.status).toBe(413);
    expect(((await response.json()) as { detail: string }).detail).toContain('when unpacked');
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(100_000_000);
  });

  test('cut off, damaged or not packed at all: 400, nothing is kept', async () => {
    const packed = pack[encoding]!(Buffer.from(batch(200)));
    // Complete JSON before the cut: what is missing is white space alone.
    const spaces = Array.from({ length: 300_000 }, () => (Math.random() < 0.5 ? ' ' : '\n')).join('');
    const wholeButForSpaces = pack[encoding]!(Buffer.from(batch(1) + spaces));
    const damaged = packed.slice();
    damaged.fill(0, packed.length >> 1);
    for (const body of [
      packed.subarray(0, packed.length - 20),
      wholeButForSpaces.subarray(0, wholeButForSpaces.length - 20),
      damaged,
      Buffer.from(batch(1)),
      new Uint8Array(),
    ]) {
      expect((await post(body)).status).toBe(400);
    }
    expect(await keptEvents()).toBe(0);
  });

  test('lines, packed', async () => {
    const lines = Buffer.from(Array.from({ length: 2_000 }, (_, n) => eventText(`${n}`)).join('\n'));
    const response = await post(pack[encoding]!(lines), 'application/x-ndjson');
    expect(await response.json()).toMatchObject({ received: 2_000, accepted: 2_000, rejected: 0 });
    expect(await keptEvents()).toBe(2_000);
  });

  test('lines, packed and cut off: 400, whatever came whole is kept', async () => {
    const packed = pack[encoding]!(
      Buffer.from(Array.from({ length: 2_000 }, (_, n) => eventText(`${n}`)).join('\n')),
    );
    for (const cutOff of [1, 3, 200]) {
      const response = await post(packed.subarray(0, packed.length - cutOff), 'application/x-ndjson');
      expect(response.status).toBe(400);
    }
  });

  test('a bomb of good lines is given up when it unpacks to more than real events do', async () => {
    const line = eventText('bomb', `,"data":{"x":"${'x'.repeat(10_000)}"}`);
    const response = await post(
      pack[encoding]!(Buffer.from(`${line}\n`.repeat(3_000))),
      'application/x-ndjson',
    );
    expect(response.status).toBe(413);
    expect(((await response.json()) as { detail: string }).detail).toContain('more than 250 times its size');
  });

  test('bombs of empty lines and of one endless line are given up early', async () => {
    for (const [letter, status] of [
      ['\n', 400],
      [' ', 413],
    ] as const) {
      const startedMs = performance.now();
      const response = await post(pack[encoding]!(Buffer.alloc(64_000_000, letter)), 'application/x-ndjson');
      expect(response.status).toBe(status);
      expect(performance.now() - startedMs).toBeLessThan(2_000);
    }
  });
});
