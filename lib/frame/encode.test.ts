import { expect, test } from 'bun:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { encodeFrame, unpackFrame } from './encode.ts';

const frameOf = (zstd: Uint8Array) => Buffer.concat([Uint8Array.of(2), zstd]);

test('frames of any length come back as they were', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70_000 }), fc.constantFrom(1, 2), (length, version) => {
      const events = `{"id":"${'x'.repeat(length)}"}`;
      const part = { namespace: 'default', receivedMs: 1, events, count: 1 };
      const frame = encodeFrame([part], version as 1 | 2);
      expect(JSON.parse(unpackFrame(frame).toString())).toEqual([
        { namespace: 'default', receivedMs: 1, events: JSON.parse(events) },
      ]);
    }),
    { numRuns: 200 },
  );
});

test('single events that came together share a part; namespace, arrival, order and tokens stay', () => {
  const part = fc.record({
    namespace: fc.constantFrom('a', 'b'),
    receivedMs: fc.constantFrom(1, 2),
    shape: fc.constantFrom('one', 'array', 'awaited', 'backfill'),
  });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 20 }), (shapes) => {
      const parts = shapes.map(({ shape, ...rest }, n) => {
        const events = shape === 'array' ? `[{"id":"${n}"}]` : `{"id":"${n}"}`;
        return {
          ...rest,
          events,
          count: 1,
          ...(shape === 'awaited' && { waitToken: `t${n}` }),
          ...(shape === 'backfill' && { backfill: 'b' }),
        };
      });
      const read = JSON.parse(unpackFrame(encodeFrame(parts)).toString()).flatMap(
        ({ events, ...rest }: { events: { id: string } | { id: string }[] }) =>
          (Array.isArray(events) ? events : [events]).map(({ id }) => ({ ...rest, id })),
      );
      expect(read).toEqual(parts.map(({ events: _, count: __, ...rest }, n) => ({ ...rest, id: String(n) })));
    }),
  );
  const one = { namespace: 'a', receivedMs: 1, count: 1 };
  const frame = encodeFrame([1, 2, 3].map((n) => ({ ...one, events: `{"id":"${n}"}` })));
  expect(JSON.parse(unpackFrame(frame).toString())).toHaveLength(1);
});

test('a bomb is not unpacked: it states too much', () => {
  const bomb = frameOf(zlib.zstdCompressSync(Buffer.alloc(129 * 1024 * 1024)));
  const before = process.memoryUsage.rss();
  expect(() => unpackFrame(bomb)).toThrow('unpacks to 135266304 bytes, more than 134217728');
  expect(process.memoryUsage.rss() - before).toBeLessThan(20_000_000);
});

test('a bomb is not unpacked: it states nothing, or less than there is', () => {
  const zeros = Buffer.alloc(20_000_000);
  const silent = zlib.zstdCompressSync(zeros, { params: { [zlib.constants.ZSTD_c_contentSizeFlag]: 0 } });
  expect(() => unpackFrame(frameOf(silent))).toThrow('does not say how much');
  const lying = Buffer.from(Bun.zstdCompressSync(zeros));
  expect(lying.readUInt32LE(6)).toBe(zeros.length);
  lying.writeUInt32LE(1_000, 6);
  expect(() => unpackFrame(frameOf(lying))).toThrow();
  expect(() => unpackFrame(frameOf(new Uint8Array()))).toThrow('does not say how much');
});
