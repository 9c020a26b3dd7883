import type { Text } from '@usage/lib/json/scan.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { keyBytes, writeKey } from './identity.ts';

/**
 * Rows of the events table in PostgreSQL's binary COPY format, written once from the bytes of their JSON:
 *
 *   int16 number of columns, then each column as int32 length (-1 = null) and its bytes:
 *   time, ingested_at, batch_id, period, namespace, source, id, type, subject, attributes, data
 *
 * The batch's id is filled in when the tuple goes into a CopyBuffer.
 */

/** PostgreSQL counts from 2000-01-01. */
const epochUs = 946_684_800_000_000;
const epochDays = 10_957;
const high = 2 ** 32;
const columns = 11;
export const batchIdAt = 30;
const namespaceAt = 46;
/** All that is not text. */
const fixedBytesMax = 128;
const bytesPerCharacterMax = 3;
export const firstBytes = 1 << 20;
const firstKeyBytes = keyBytes << 15;
/** A buffer that has grown beyond this, for unusually large events, is not kept. */
export const keptBytesMax = 32 << 20;
/** Below this a loop is faster than the call of a native copy. */
export const loopBytesMax = 24;

/** What an event says of itself. */
export interface EventColumns {
  source: Text;
  id: Text;
  type: Text;
  subject: Text;
  /** Bounds of JSON members, name and value, one after the other: attributes beyond the columns. */
  members: readonly number[];
  /** JSON; at = -1 where there is none. */
  data: Text;
}

/** The tuples of a batch, one after the other in a buffer that grows and is used again. */
export class Tuples {
  bytes = Buffer.allocUnsafe(firstBytes);
  end = 0;
  /** Keys of the tuples' identities, one after the other. */
  keys = Buffer.allocUnsafe(firstKeyBytes);

  clear(): void {
    this.end = 0;
    if (this.bytes.length > keptBytesMax) this.bytes = Buffer.allocUnsafe(firstBytes);
  }

  /** Appends one, and writes its key at `keyAt`; `json` is what the columns' bounds refer to. Returns where it begins. */
  write(
    json: Buffer,
    { source, id, type, subject, members, data }: EventColumns,
    namespace: Text,
    timeUs: number,
    arrivedMs: number,
    keyAt: number,
  ): number {
    const start = this.end;
    const texts = size(namespace) + size(source) + size(id) + size(type) + size(subject) + size(data);
    this.bytes = withRoom(this.bytes, start, texts + membersSize(members) + fixedBytesMax);
    const { bytes } = this;
    bytes[start] = 0;
    bytes[start + 1] = columns;
    writeTimestamp(bytes, start + 2, timeUs);
    writeTimestamp(bytes, start + 14, arrivedMs * 1_000);
    writeInt32(bytes, start + 26, 8);
    writeInt32(bytes, start + 38, 4);
    writeInt32(bytes, start + 42, Math.floor(arrivedMs / dayMs) - epochDays);
    let at = writeText(bytes, start + namespaceAt, json, namespace);
    at = writeText(bytes, at, json, source);
    const idAt = at + 4;
    at = writeText(bytes, at, json, id);
    this.keys = withRoom(this.keys, keyAt, keyBytes);
    writeKey(this.keys, keyAt, bytes, { from: start + namespaceAt, idAt, end: at });
    at = writeText(bytes, at, json, type);
    at = writeText(bytes, at, json, subject);
    at = writeMembers(bytes, at, json, members);
    this.end = data.at < 0 ? writeInt32(bytes, at, -1) : writeText(bytes, at, json, data);
    return start;
  }
}

interface Bounds {
  at: number;
  end: number;
}

const bounds = (): Bounds => ({ at: -1, end: -1 });
const found = {
  namespace: bounds(),
  source: bounds(),
  id: bounds(),
  type: bounds(),
  subject: bounds(),
  attributes: bounds(),
  data: bounds(),
};

/** Where the text columns of the tuple at `start` lie (at = -1: null); holds until the next call. */
export function textColumns(bytes: Buffer, start: number): Readonly<typeof found> {
  let at = start + namespaceAt;
  at = readBounds(bytes, at, found.namespace);
  at = readBounds(bytes, at, found.source);
  at = readBounds(bytes, at, found.id);
  at = readBounds(bytes, at, found.type);
  at = readBounds(bytes, at, found.subject);
  at = readBounds(bytes, at, found.attributes);
  readBounds(bytes, at, found.data);
  return found;
}

function readBounds(bytes: Buffer, at: number, into: Bounds): number {
  const length = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  into.at = length < 0 ? -1 : at + 4;
  into.end = length < 0 ? -1 : at + 4 + length;
  return at + 4 + Math.max(0, length);
}

/** The buffer, or a larger one that begins with its first `used` bytes, with room for `count` after those. */
export function withRoom(bytes: Buffer<ArrayBuffer>, used: number, count: number): Buffer<ArrayBuffer> {
  if (used + count <= bytes.length) return bytes;
  const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, used + count));
  bytes.copy(larger, 0, 0, used);
  return larger;
}

function size({ at, end, text }: Text): number {
  return text === undefined ? end - at : text.length * bytesPerCharacterMax;
}

function membersSize(members: readonly number[]): number {
  return members.length === 0 ? 0 : members.at(-1)! - members[0]! + members.length + 2;
}

function writeInt32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

function writeTimestamp(bytes: Buffer, at: number, us: number): void {
  const value = us - epochUs;
  const top = Math.floor(value / high);
  writeInt32(bytes, at, 8);
  writeInt32(bytes, at + 4, top);
  writeInt32(bytes, at + 8, value - top * high);
}

function writeText(bytes: Buffer, at: number, json: Buffer, { at: from, end, text }: Text): number {
  if (text !== undefined) return writeString(bytes, at, text);
  return copyBytes(bytes, writeInt32(bytes, at, end - from), json, from, end);
}

function writeString(bytes: Buffer, at: number, text: string): number {
  const length = bytes.write(text, at + 4);
  writeInt32(bytes, at, length);
  return at + 4 + length;
}

/** A JSON object of the members, or null where there are none. */
function writeMembers(bytes: Buffer, at: number, json: Buffer, members: readonly number[]): number {
  if (members.length === 0) return writeInt32(bytes, at, -1);
  let to = at + 4;
  for (let i = 0; i < members.length; i += 2) {
    bytes[to++] = i === 0 ? 123 : 44; // { or ,
    to = copyBytes(bytes, to, json, members[i]!, members[i + 1]!);
  }
  bytes[to++] = 125; // }
  writeInt32(bytes, at, to - at - 4);
  return to;
}

function copyBytes(bytes: Buffer, at: number, from: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length > loopBytesMax) from.copy(bytes, at, start, end);
  else for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!;
  return at + length;
}
