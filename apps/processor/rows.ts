import type { Row } from './batch.ts';

/** PostgreSQL's binary COPY format: signature, flags, no header extension; a tuple a row; -1 at the end. */
const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = Buffer.from([0xff, 0xff]);

/** PostgreSQL counts from 2000-01-01. */
const epochUs = 946_684_800_000_000;
const epochDays = 10_957;
const high = 2 ** 32;
const bytesPerCharacterMax = 3;
const fixedBytesMax = 128;

/** Rows of the events table as one buffer that is filled again and again: no garbage a row. */
export class RowBuffer {
  #bytes = Buffer.allocUnsafe(1 << 20);
  #at = 0;
  /** Numbered rows carry their number as one more column: staged_events. */
  constructor(readonly numbered: boolean) {
    this.clear();
  }

  get bytes(): number {
    return this.#at;
  }

  clear(): void {
    header.copy(this.#bytes);
    this.#at = header.length;
  }

  /** The complete COPY; valid until the next clear. */
  finish(): Uint8Array {
    this.#reserve(trailer.length);
    trailer.copy(this.#bytes, this.#at);
    return this.#bytes.subarray(0, this.#at + trailer.length);
  }

  add(row: Row, batchId: bigint, n: number): void {
    const characters =
      row.namespace.length +
      row.source.length +
      row.id.length +
      row.type.length +
      row.subject.length +
      (row.attributes?.length ?? 0) +
      (row.data?.length ?? 0);
    this.#reserve(characters * bytesPerCharacterMax + fixedBytesMax);
    const bytes = this.#bytes;
    let at = bytes.writeInt16BE(this.numbered ? 12 : 11, this.#at);
    at = writeTimestamp(bytes, at, row.timeUs);
    at = writeTimestamp(bytes, at, row.arrivedMs * 1_000);
    at = bytes.writeInt32BE(8, at);
    at = bytes.writeBigInt64BE(batchId, at);
    at = bytes.writeInt32BE(4, at);
    at = bytes.writeInt32BE(row.period - epochDays, at);
    at = writeText(bytes, at, row.namespace);
    at = writeText(bytes, at, row.source);
    at = writeText(bytes, at, row.id);
    at = writeText(bytes, at, row.type);
    at = writeText(bytes, at, row.subject);
    at = writeText(bytes, at, row.attributes);
    at = writeText(bytes, at, row.data);
    if (this.numbered) {
      at = bytes.writeInt32BE(4, at);
      at = bytes.writeInt32BE(n, at);
    }
    this.#at = at;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

function writeTimestamp(bytes: Buffer, at: number, us: number): number {
  const value = us - epochUs;
  const top = Math.floor(value / high);
  bytes.writeInt32BE(8, at);
  bytes.writeInt32BE(top, at + 4);
  bytes.writeUInt32BE(value - top * high, at + 8);
  return at + 12;
}

function writeText(bytes: Buffer, at: number, text: string | undefined): number {
  if (text === undefined) return bytes.writeInt32BE(-1, at);
  const length = bytes.write(text, at + 4);
  bytes.writeInt32BE(length, at);
  return at + 4 + length;
}
