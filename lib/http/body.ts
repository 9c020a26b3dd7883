import { jsonFaultOf } from '../json/jsonFault.ts';
import { Deadline } from '../service/deadline.ts';
import { release } from '../service/release.ts';
import { encodingOf, unpack } from './contentEncoding.ts';
import { bodyTooLarge, Problem } from './problem.ts';

export interface Body {
  text: string;
  bytes: number;
}

/**
 * The whole body as text, unpacked. Throws 415 for an encoding that isn't known; rejects with 413 when it is too long,
 * packed or unpacked, 408 when it doesn't come in time, 400 when it is cut off or isn't UTF-8.
 */
export function readBody(request: Request, bytesMax: number, inTime = inTimeByDefault): Promise<Body> {
  const encoding = encodingOf(request.headers);
  const whole = readBytes(request, bytesMax);
  if (!encoding) return inTime.bound(whole, (bytes) => textOf(bytes, bytesMax));
  const packed = inTime.bound(whole, (bytes) => withinLimit(bytes, bytesMax));
  return packed.then((bytes) => unpack(bytes, encoding, bytesMax)).then((bytes) => textOf(bytes, bytesMax));
}

function textOf(bytes: Uint8Array, bytesMax: number): Body {
  withinLimit(bytes, bytesMax);
  try {
    const body = { text: utf8.decode(bytes), bytes: bytes.length };
    release(bytes);
    return body;
  } catch {
    throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  }
}

function withinLimit(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length > bytesMax) throw bodyTooLarge(bytesMax);
  return bytes;
}

/** Throws 400 with the position of the first fault. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const fault = jsonFaultOf(text);
    if (!fault) throw new Problem('malformed_json', 'The JSON is nested too deep.');
    const { position, line, column, reason } = fault;
    const detail = `The body is not JSON: ${reason} at position ${position} (line ${line}, column ${column}).`;
    throw new Problem('malformed_json', detail, {
      extensions: { position, line, column },
    });
  }
}

/** Strict: PostgreSQL refuses what isn't UTF-8. A byte order mark is left out. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** By when a body has come. A connection must not be held by a byte now and then: it is closed with the 408. */
export function bodyDeadline(msMax: number): Deadline {
  return new Deadline(msMax, {
    late: () => new Problem('too_slow', `The body did not come within ${msMax} ms.`, closing),
    failed: cutOff,
  });
}

/** Of an answer after which nothing of the request is waited for. */
export const closing = { headers: { Connection: 'close' } };

/** A body is short enough to come within this. */
const inTimeByDefault = bodyDeadline(30_000);

function readBytes(request: Request, bytesMax: number): Promise<Uint8Array> {
  return request.headers.has('content-length') ? request.bytes() : readChunks(request, bytesMax);
}

/** A client that goes away in the middle is no error of ours. */
function cutOff(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('bad_request', 'The body was cut off before its end.', { cause: error });
}

/** A body of unknown length is given up as soon as it is too long. */
async function readChunks(request: Request, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw bodyTooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
