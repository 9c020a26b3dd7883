import { jsonIssueOf } from '../json/jsonIssue.ts';
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
 * packed or unpacked, 408 when it doesn't come in time, 400 when it is cut off or isn't UTF-8, 503 when the bodies that are
 * being read take too much memory.
 */
export function readBody(request: Request, bytesMax: number, reader = readerByDefault): Promise<Body> {
  const encoding = encodingOf(request.headers);
  const whole = reader.bytes(request, bytesMax);
  const { inTime } = reader;
  if (!encoding) return inTime.bound(whole, (bytes) => textOf(bytes, bytesMax));
  const packed = inTime.bound(whole, (bytes) => withinLimit(bytes, bytesMax));
  return packed
    .then((bytes) => unpack(bytes, encoding, bytesMax))
    .then((bytes) => textOf(bytes, bytesMax, true));
}

/** The body as it comes, packed or not; fails as readBody does. */
export function readRawBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  const { inTime } = readerByDefault;
  return inTime.bound(readerByDefault.bytes(request, bytesMax), (bytes) => withinLimit(bytes, bytesMax));
}

/** `isUnpacked` = the bytes may be a part of a larger buffer, which nothing else uses. */
function textOf(bytes: Uint8Array, bytesMax: number, isUnpacked = false): Body {
  withinLimit(bytes, bytesMax);
  try {
    const body = { text: utf8.decode(bytes), bytes: bytes.length };
    release(isUnpacked ? new Uint8Array(bytes.buffer) : bytes);
    countLarge(body.bytes);
    return body;
  } catch {
    throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  }
}

/** Large bodies are collected after so many bytes of them: the collector alone lets several times as much lie about. */
const largeBytesUncollectedMax = 16 * 1024 * 1024;
let largeBytesUncollected = 0;

function countLarge(bytes: number): void {
  if (bytes <= wholeBytesMax) return;
  largeBytesUncollected += bytes;
  if (largeBytesUncollected < largeBytesUncollectedMax) return;
  largeBytesUncollected = 0;
  Bun.gc(true);
}

function withinLimit(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.length > bytesMax) throw bodyTooLarge(bytesMax);
  return bytes;
}

/** Throws 400 with the position of the first issue. */
export function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const issue = jsonIssueOf(text);
    if (!issue) throw new Problem('malformed_json', 'The JSON is nested too deep.');
    const { position, line, column, reason } = issue;
    const detail = `The body is not JSON: ${reason} at position ${position} (line ${line}, column ${column}).`;
    throw new Problem('malformed_json', detail, {
      extensions: { position, line, column },
    });
  }
}

/** Strict: PostgreSQL refuses what isn't UTF-8. A byte order mark is left out. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Of an answer after which nothing of the request is waited for. */
export const closing = { headers: { Connection: 'close' } };

/** A body up to this long is read in one piece: Bun makes room for it at once, however little of it has come. */
const wholeBytesMax = 256 * 1024;

/**
 * Reads bodies, as many at a time as fit into memory: what has come of all of them counts against one bound, so that
 * clients which send large bodies slowly don't add up. Each has to come within a time limit: a connection must not be
 * held by a byte now and then, and is closed with the 408.
 */
export class BodyReader {
  readonly inTime: Deadline;
  #heldBytes = 0;

  constructor(
    msMax: number,
    readonly heldBytesMax: number,
  ) {
    this.inTime = new Deadline(msMax, {
      late: () => new Problem('too_slow', `The body did not come within ${msMax} ms.`, closing),
      failed: cutOff,
    });
  }

  /** Bytes of the bodies that are being read. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Throws and rejects as readBody does. */
  bytes(request: Request, bytesMax: number): Promise<Uint8Array> {
    const length = Number(request.headers.get('content-length') ?? Number.POSITIVE_INFINITY);
    return length <= wholeBytesMax ? this.#whole(request, length) : this.#chunks(request, bytesMax);
  }

  #whole(request: Request, length: number): Promise<Uint8Array> {
    this.#hold(length);
    const bytes = request.bytes();
    const ended = () => {
      this.#heldBytes -= length;
    };
    bytes.then(ended, ended);
    return bytes;
  }

  /** A longer body, or one of unknown length, is given up as soon as it is too long or there is no room for it. */
  async #chunks(request: Request, bytesMax: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const chunk of request.body ?? []) {
        if (length + chunk.length > bytesMax) throw bodyTooLarge(bytesMax);
        this.#hold(chunk.length);
        length += chunk.length;
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      this.#heldBytes -= length;
    }
  }

  #hold(bytes: number): void {
    if (this.#heldBytes + bytes > this.heldBytesMax) throw tooManyBodies(this.heldBytesMax);
    this.#heldBytes += bytes;
  }
}

/** For requests that are short: a body is small enough to come within this. */
const readerByDefault = new BodyReader(30_000, 32 * 1024 * 1024);
const retrySeconds = 1;

function tooManyBodies(bytesMax: number): Problem {
  return new Problem(
    'unavailable',
    `The bodies that are being read take ${bytesMax} bytes: no more fit in.`,
    {
      headers: { ...closing.headers, 'Retry-After': String(retrySeconds) },
    },
  );
}

/** A client that goes away in the middle is no error of ours. */
function cutOff(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('bad_request', 'The body was cut off before its end.', { cause: error });
}
