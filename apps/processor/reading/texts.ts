import { textAt } from '@usage/lib/json/scan.ts';

const slots = 1 << 14;
/** Longer ones hardly come again. */
const bytesMax = 64;
/** So many of its bytes decide where a text is looked for. */
const sampledBytes = 8;

/**
 * Strings of bytes that come again and again: subjects, types, group values. One string for equal bytes, without making a
 * new one first.
 */
export class Texts {
  #texts = new Array<string>(slots).fill('');
  #lengths = new Uint8Array(slots);
  /** Each text's bytes, beside each other: comparing strings would look them up in three places. */
  #bytes = new Uint8Array(slots * bytesMax);

  /** The text between the bounds, which quotes surround; UTF-8. */
  of(bytes: Buffer, at: number, end: number, escaped = false): string {
    const length = end - at;
    if (escaped || length > bytesMax) return textAt(bytes, at, end, escaped);
    const stride = length > sampledBytes ? length / sampledBytes : 1;
    let hash = length;
    for (let i = length - 1; i >= 0; i -= stride) hash = Math.imul(hash ^ bytes[at + (i | 0)]!, 0x01000193);
    const first = (hash ^ (hash >>> 15)) & (slots - 1);
    if (this.#isSame(bytes, at, length, first)) return this.#texts[first]!;
    const second = first ^ 1;
    if (this.#isSame(bytes, at, length, second)) return this.#texts[second]!;
    // Of two texts that fall on one place each gets a place of its own, unless a third comes.
    const slot = this.#lengths[first] === 0 || this.#lengths[second] !== 0 ? first : second;
    const text = textAt(bytes, at, end, false);
    this.#texts[slot] = text;
    this.#lengths[slot] = length;
    bytes.copy(this.#bytes, slot * bytesMax, at, end);
    return text;
  }

  #isSame(bytes: Buffer, at: number, length: number, slot: number): boolean {
    const held = this.#bytes;
    const heldAt = slot * bytesMax;
    if (this.#lengths[slot] !== length) return false;
    for (let i = 0; i < length; i++) if (held[heldAt + i] !== bytes[at + i]) return false;
    return true;
  }
}
