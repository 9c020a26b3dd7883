import { keyBytes } from './identity.ts';
import { batchIdAt, firstBytes, keptBytesMax, loopBytesMax, type Tuples, withRoom } from './tuples.ts';

/** PostgreSQL's binary COPY format: signature, flags, no header extension; a tuple a row; -1 at the end. */
const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = Buffer.from([0xff, 0xff]);
/** One column of 16 bytes. */
const keyHeader = Buffer.from([0, 1, 0, 0, 0, keyBytes]);

/** A complete COPY in one buffer that is filled again and again: no garbage a row. */
class CopyBytes {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #end = 0;

  clear(): void {
    if (this.#bytes.length > keptBytesMax) this.#bytes = Buffer.allocUnsafe(firstBytes);
    header.copy(this.#bytes);
    this.#end = header.length;
  }

  /** Appends bytes of another buffer; returns where they lie. */
  append(from: Buffer, start: number, end: number): { bytes: Buffer; at: number } {
    const at = this.#end;
    this.#bytes = withRoom(this.#bytes, at, end - start);
    const bytes = this.#bytes;
    if (end - start > loopBytesMax) from.copy(bytes, at, start, end);
    else for (let i = start; i < end; i++) bytes[at + i - start] = from[i]!;
    this.#end += end - start;
    return { bytes, at };
  }

  /** The complete COPY; valid until the next append or clear. May be asked for again. */
  finish(): Uint8Array {
    this.#bytes = withRoom(this.#bytes, this.#end, trailer.length);
    trailer.copy(this.#bytes, this.#end);
    return this.#bytes.subarray(0, this.#end + trailer.length);
  }
}

/** Rows of a batch as two COPYs: their keys into an identity table, themselves into events. */
export class CopyBuffers {
  readonly #events = new CopyBytes();
  readonly #keys = new CopyBytes();
  #batchId = Buffer.alloc(8);
  rows = 0;

  /** Begins anew; all rows get this batch id. */
  begin(batchId: bigint): void {
    this.#events.clear();
    this.#keys.clear();
    this.#batchId.writeBigInt64BE(batchId);
    this.rows = 0;
  }

  add({ tuples, start, end, keyAt }: { tuples: Tuples; start: number; end: number; keyAt: number }): void {
    const { bytes, at } = this.#events.append(tuples.bytes, start, end);
    for (let i = 0; i < 8; i++) bytes[at + batchIdAt + i] = this.#batchId[i]!;
    this.#keys.append(keyHeader, 0, keyHeader.length);
    this.#keys.append(tuples.keys, keyAt, keyAt + keyBytes);
    this.rows++;
  }

  events(): Uint8Array {
    return this.#events.finish();
  }

  keys(): Uint8Array {
    return this.#keys.finish();
  }
}
