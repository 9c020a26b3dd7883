const frameMagic = 0xfd2fb528;
/** The last four bits are free. */
const skippableMagic = 0x184d2a50;
const dictionaryIdBytes = [0, 1, 2, 4];
const contentSizeBytes = [0, 2, 4, 8];
const checksumBytes = 4;
const blockHeaderBytes = 3;
const rle = 1;
const reserved = 3;

type Step = 'magic' | 'skippable' | 'descriptor' | 'block' | 'checksum';

/**
 * Follows zstd (RFC 8878) from frame to frame and block to block, by their headers alone, to know whether it came to its
 * end: Bun 1.4.5 unpacks what was cut off without an error.
 */
export class ZstdFrames {
  #step: Step = 'magic';
  /** Bytes of the header that is being read; how many it has. */
  #header: number[] = [];
  #headerBytes = 4;
  /** Bytes to pass over before that header. */
  #skip = 0;
  #hasChecksum = false;
  #isFirst = true;
  #isDamaged = false;

  /** Whether everything until now makes whole frames, and at least one. */
  get isWhole(): boolean {
    const between = this.#step === 'magic' && this.#header.length === 0 && this.#skip === 0;
    return between && !this.#isFirst && !this.#isDamaged;
  }

  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#isDamaged; ) {
      const passed = Math.min(this.#skip, chunk.length - at);
      this.#skip -= passed;
      at += passed;
      if (this.#skip > 0 || at === chunk.length) return;
      this.#header.push(chunk[at++]!);
      if (this.#header.length === this.#headerBytes) this.#read(littleEndian(this.#header));
    }
  }

  #read(header: number): void {
    switch (this.#step) {
      case 'magic':
        if (header === frameMagic) this.#expect('descriptor', 1);
        else if (header - (header % 16) === skippableMagic) this.#expect('skippable', 4);
        else this.#isDamaged = true;
        break;
      case 'skippable':
        this.#endFrame(header);
        break;
      case 'descriptor':
        this.#readDescriptor(header);
        break;
      case 'block':
        this.#readBlock(header);
        break;
      case 'checksum':
        this.#endFrame(0);
        break;
      default:
        this.#step satisfies never;
    }
  }

  #readDescriptor(descriptor: number): void {
    const hasOneSegment = (descriptor & 32) !== 0;
    this.#hasChecksum = (descriptor & 4) !== 0;
    const contentSize = contentSizeBytes[descriptor >> 6]! || (hasOneSegment ? 1 : 0);
    const rest = (hasOneSegment ? 0 : 1) + dictionaryIdBytes[descriptor & 3]! + contentSize;
    this.#expect('block', blockHeaderBytes, rest);
  }

  #readBlock(header: number): void {
    const isLast = (header & 1) === 1;
    const type = (header >> 1) & 3;
    const bytes = type === rle ? 1 : header >> 3;
    if (type === reserved) this.#isDamaged = true;
    if (!isLast) this.#expect('block', blockHeaderBytes, bytes);
    else if (this.#hasChecksum) this.#expect('checksum', checksumBytes, bytes);
    else this.#endFrame(bytes);
  }

  #expect(step: Step, headerBytes: number, skip = 0): void {
    this.#step = step;
    this.#header.length = 0;
    this.#headerBytes = headerBytes;
    this.#skip = skip;
  }

  #endFrame(skip: number): void {
    this.#isFirst = false;
    this.#expect('magic', 4, skip);
  }
}

function littleEndian(bytes: readonly number[]): number {
  return bytes.reduceRight((number, byte) => number * 256 + byte, 0);
}
