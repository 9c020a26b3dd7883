import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ZstdFrames } from '../encoding/zstdFrames.ts';
import { Problem } from './problem.ts';

/** Content-Encoding of requests: one of these, or none. */
const encodings = {
  gzip: { unpack: promisify(zlib.gunzip), stream: zlib.createGunzip },
  deflate: { unpack: promisify(zlib.inflate), stream: zlib.createInflate },
  br: { unpack: promisify(zlib.brotliDecompress), stream: zlib.createBrotliDecompress },
  zstd: { unpack: promisify(zlib.zstdDecompress), stream: zlib.createZstdDecompress },
} as const;

export type Encoding = keyof typeof encodings;

/** undefined = the body is as it is. Throws 415 for several or unknown encodings. */
export function encodingOf(headers: Headers): Encoding | undefined {
  const given = headers.get('content-encoding');
  if (given === null) return undefined;
  const name = given.trim().toLowerCase();
  if (name === 'identity' || name === '') return undefined;
  if (name === 'x-gzip') return 'gzip';
  if (Object.hasOwn(encodings, name)) return name as Encoding;
  const taken = Object.keys(encodings).join(', ');
  throw new Problem(
    'unsupported_media_type',
    `Content-Encoding ${JSON.stringify(given.slice(0, 40))} is not taken; send one of ${taken}, or the body as it is.`,
    { headers: { 'Accept-Encoding': taken } },
  );
}

/** What unpacks to no more is unpacked at once; larger bodies one after another, whatever it took to send them. */
const smallBytesMax = 256 * 1024;
let largeDone: Promise<unknown> = Promise.resolve();

async function unpackedWithin(packed: Uint8Array, encoding: Encoding, bytesMax: number): Promise<Uint8Array> {
  const unpackUpTo = async (maxOutputLength: number, chunkSize?: number) =>
    (await encodings[encoding].unpack(packed, { maxOutputLength, chunkSize })) as Uint8Array;
  try {
    return await unpackUpTo(Math.min(smallBytesMax, bytesMax));
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_BUFFER_TOO_LARGE' || bytesMax <= smallBytesMax)
      throw error;
  }
  // Into one chunk: 512 chunks of 16 kB and their concatenation would wait for the garbage collector, 16 MB a body.
  const unpacked = largeDone.then(() => unpackUpTo(bytesMax, bytesMax + 1));
  largeDone = unpacked.catch(() => {});
  return unpacked;
}

/**
 * The unpacked body, in memory that it shares with nothing. Stops as soon as there is more than `bytesMax` of it (413); 400 for what is damaged or cut off.
 */
export async function unpack(packed: Uint8Array, encoding: Encoding, bytesMax: number): Promise<Uint8Array> {
  if (encoding === 'zstd') checkWhole(packed);
  try {
    return await unpackedWithin(packed, encoding, bytesMax);
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw unpackedTooLarge(bytesMax);
    throw damaged(encoding, error);
  }
}

/** Bun 1.4.5 unpacks zstd that was cut off without an error. */
function checkWhole(zstd: Uint8Array): void {
  const frames = new ZstdFrames();
  frames.write(zstd);
  if (!frames.isWhole) throw damaged('zstd');
}

export function unpackingStream(encoding: Encoding): zlib.Gunzip {
  return encodings[encoding].stream() as zlib.Gunzip;
}

export function damaged(encoding: Encoding, cause?: unknown): Problem {
  return new Problem('bad_request', `The body is not whole ${encoding}, as its Content-Encoding says.`, {
    cause,
  });
}

function unpackedTooLarge(bytesMax: number): Problem {
  return new Problem(
    'too_large',
    `The body is longer than ${bytesMax} bytes when unpacked; send it in smaller parts.`,
  );
}
