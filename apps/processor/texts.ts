import { textAt } from './scan.ts';

const slots = 1 << 14;
/** Longer ones hardly come again. */
const bytesMax = 64;

/**
 * Strings of bytes that come again and again: subjects, types, group values. One string for equal bytes, without making a
 * new one first: a third of the time, and Maps find it by its address.
 */
export class Texts {
  #known = new Array<string>(slots).fill('');

  /** The text between the bounds, which quotes surround; UTF-8. */
  of(bytes: Buffer, at: number, end: number, escaped = false): string {
    if (escaped || end - at > bytesMax) return textAt(bytes, at, end, escaped);
    let hash = end - at;
    for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#known[slot]!;
    if (isText(bytes, at, end, known)) return known;
    const text = textAt(bytes, at, end, false);
    this.#known[slot] = text;
    return text;
  }
}

/** Only ASCII is ever found equal. */
function isText(bytes: Buffer, at: number, end: number, text: string): boolean {
  if (text.length !== end - at) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[at + i]!;
    if (byte !== text.charCodeAt(i) || byte > 127) return false;
  }
  return true;
}
