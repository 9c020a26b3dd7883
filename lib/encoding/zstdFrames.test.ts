import { expect, test } from 'bun:test';
import { constants as zlib, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { ZstdFrames } from './zstdFrames.ts';

const skippable = Buffer.concat([Buffer.from('5a2a4d1803000000', 'hex'), Buffer.from('abc')]);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 0, max: 400_000 }).map((length) => Buffer.alloc(length, 'x')),
  fc
    .integer({ min: 1, max: 300_000 })
    .map((length) => crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)))),
  fc.integer({ min: 1, max: 5_000 }).map((count) => Buffer.from('{"id":1}\n'.repeat(count))),
);
const frame = fc.oneof(
  fc.tuple(content, fc.boolean(), fc.boolean()).map(([bytes, checksum, size]) =>
    zstdCompressSync(bytes, {
      params: { [zlib.ZSTD_c_checksumFlag]: Number(checksum), [zlib.ZSTD_c_contentSizeFlag]: Number(size) },
    }),
  ),
  fc.constant(skippable),
);

function isWhole(bytes: Uint8Array, pieceBytes: number): boolean {
  const frames = new ZstdFrames();
  for (let at = 0; at < bytes.length; at += pieceBytes) frames.write(bytes.subarray(at, at + pieceBytes));
  return frames.isWhole;
}

test('whole frames are whole, in pieces of any size; cut off anywhere but between frames they are not', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 70_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (frames, pieceBytes, share) => {
        const bytes = Buffer.concat(frames);
        expect(isWhole(bytes, pieceBytes)).toBe(true);
        const cut = Math.floor(bytes.length * share);
        const ends = frames.map((_, n) => Buffer.concat(frames.slice(0, n + 1)).length);
        expect(isWhole(bytes.subarray(0, cut), pieceBytes)).toBe(ends.includes(cut));
      },
    ),
    { numRuns: 300 },
  );
});

test('what is no zstd is never whole', () => {
  for (const text of ['', 'x', '{"id":1}\n{"id":2}\n']) expect(isWhole(Buffer.from(text), 3)).toBe(false);
});
