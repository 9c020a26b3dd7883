import { release } from '../service/release.ts';

/**
 * A frame is one entry of the stream: the clients' JSON as it came, in an envelope. Written here, read by read.ts.
 *
 *   byte 0   version: 1 = the rest is JSON, 2 = the rest is zstd over JSON; 3 and 4 the same where a part is of a backfill
 *   rest     [{"namespace": "default", "receivedMs": 1763800000000, "events": <one event or an array of them>}, …]
 *
 * Processors that know nothing of backfills would count their events at once: they make 3 and 4 dead letters.
 *
 * Versions 1 and 2 are read by every processor; a gateway with FRAME_VERSION=1 writes only the former, for an
 * upgrade in which processors older than version 2 still run.
 */
export type FrameVersion = 1 | 2;

/** One request's accepted events. */
export interface FramePart {
  namespace: string;
  /** Arrival at the gateway: the time of events that carry none. */
  receivedMs: number;
  /** JSON text: one event or an array of them, valid as lib/event says. */
  events: string;
  count: number;
  /** Set when the request waits for the commit: the outcome is published under this token. */
  waitToken?: string;
  /** Id of the backfill that the events are of. */
  backfill?: string;
}

/** Below this many bytes compression costs more than it saves. */
const compressBytesMin = 512;
/** zstd 1 takes 0.12 µs an event of 250 bytes and makes a batch of 500 about 15 times smaller. */
const zstdLevel = 1;

const plainVersions = { json: 1, zstd: 2 };
const backfillVersions = { json: 3, zstd: 4 };

export function encodeFrame(parts: readonly FramePart[], newest: FrameVersion = 2): Buffer {
  const body = Buffer.from(`[${partTexts(parts)}]`);
  const versions = parts.some(({ backfill }) => backfill !== undefined) ? backfillVersions : plainVersions;
  if (newest === 1 || body.length < compressBytesMin)
    return Buffer.concat([Uint8Array.of(versions.json), body]);
  const packed = Bun.zstdCompressSync(body, { level: zstdLevel });
  release(body);
  return Buffer.concat([Uint8Array.of(versions.zstd), packed]);
}

/** Single events of one namespace that came in one millisecond become one part: reading a part costs as much as reading an event. */
function partTexts(parts: readonly FramePart[]): string {
  let text = '';
  for (let at = 0; at < parts.length; ) {
    const part = parts[at++]!;
    let { events } = part;
    if (isMergeable(part)) {
      const from = at;
      for (; at < parts.length && areOne(part, parts[at]!); at++) events += `,${parts[at]!.events}`;
      if (at > from) events = `[${events}]`;
    }
    text += `${text === '' ? '' : ','}${partText(part, events)}`;
  }
  return text;
}

const brace = 123;

function isMergeable({ events, waitToken, backfill }: FramePart): boolean {
  return waitToken === undefined && backfill === undefined && events.charCodeAt(0) === brace;
}

function areOne(part: FramePart, next: FramePart): boolean {
  return part.receivedMs === next.receivedMs && part.namespace === next.namespace && isMergeable(next);
}

function partText({ namespace, receivedMs, waitToken, backfill }: FramePart, events: string): string {
  const wait = waitToken === undefined ? '' : `,"waitToken":${JSON.stringify(waitToken)}`;
  const of = backfill === undefined ? '' : `,"backfill":${JSON.stringify(backfill)}`;
  return `{"namespace":${JSON.stringify(namespace)},"receivedMs":${receivedMs}${wait}${of},"events":${events}}`;
}

/** The frame's JSON. Throws an Error with the reason for a version that isn't known, and for more than unpackedBytesMax. */
export function unpackFrame(bytes: Uint8Array): Buffer {
  const body = bytes.subarray(1) as Uint8Array<ArrayBuffer>;
  switch (bytes[0]) {
    case plainVersions.json:
    case backfillVersions.json:
      return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    case plainVersions.zstd:
    case backfillVersions.zstd:
      checkUnpackedLength(body);
      return Bun.zstdDecompressSync(body);
    default:
      throw new Error(
        `frame version ${bytes[0] ?? 'none'} is unknown: the gateway is newer than this processor`,
      );
  }
}

/** Twice the longest body that BODY_BYTES_MAX can allow: some 16 times what it takes by default. */
const unpackedBytesMax = 128 * 1024 * 1024;

/**
 * Gateways state in each frame how much it unpacks to (RFC 8878, 3.1.1.1): what states nothing, or too much, is none of
 * theirs and isn't unpacked. Unpacking ends with an error where there is more than was stated. 0.1 µs a frame; with
 * zlib's own bound unpacking 500 events takes 28 µs instead of 17.
 */
function checkUnpackedLength(zstd: Uint8Array): void {
  const descriptor = zstd[4] ?? 0;
  const sizeBytes = [descriptor & 32 ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const at = (descriptor & 32 ? 5 : 6) + [0, 1, 2, 4][descriptor & 3]!;
  if (sizeBytes === 0) throw new Error('the frame does not say how much it unpacks to');
  let size = sizeBytes === 2 ? 256 : 0;
  for (let n = sizeBytes - 1, unit = 256 ** n; n >= 0; n--, unit /= 256) size += (zstd[at + n] ?? 0) * unit;
  if (size > unpackedBytesMax)
    throw new Error(`the frame unpacks to ${size} bytes, more than ${unpackedBytesMax}`);
}
