/**
 * JSON as bytes: finds where its strings and values end and makes nothing of them. With objects in
 * between the processor took 5.2 µs an event instead of 3.7.
 *
 * What is not JSON throws where the scan depends on it; what hides inside a value is for PostgreSQL to refuse.
 */

const quote = 34;
const backslash = 92;
const comma = 44;
const colon = 58;
const openBrace = 123;
const openBracket = 91;
const closeBrace = 125;
const closeBracket = 93;
/** A bracket and its brace differ in this bit. */
const braceBit = 32;
const noBytes = new Uint8Array(0);

/** A text: bytes that lie somewhere, or a text of its own where those are escaped. */
export interface Text {
  at: number;
  end: number;
  text: string | undefined;
}

class NotJson extends Error {
  constructor(expected: string, at: number) {
    super(`expected ${expected} at byte ${at}`);
  }
}

export function afterSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) break;
    at++;
  }
  return at;
}

/** Place of the closing quote of the string whose first character is at `from`; its complement (~) where it has escapes. */
function stringEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) return at;
    if (byte === backslash) return ~escapedStringEnd(bytes, at);
  }
  throw new NotJson('the end of a string', bytes.length);
}

function escapedStringEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) return at;
    if (byte === backslash) at++;
  }
  throw new NotJson('the end of a string', bytes.length);
}

/** The place after the value that starts at `from`. */
export function valueEnd(bytes: Uint8Array, from: number): number {
  const first = bytes[from]!;
  if (first === quote) return afterString(bytes, from);
  if ((first | braceBit) === openBrace) return afterBraces(bytes, from);
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte === comma || byte <= 32 || (byte | braceBit) === closeBrace) break;
    at++;
  }
  if (at === from) throw new NotJson('a value', at);
  return at;
}

function afterString(bytes: Uint8Array, from: number): number {
  const end = stringEnd(bytes, from + 1);
  return (end < 0 ? ~end : end) + 1;
}

function afterBraces(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) {
      at = afterString(bytes, at) - 1;
    } else if (byte >= openBracket) {
      const kind = byte | braceBit;
      if (kind === openBrace) depth++;
      else if (kind === closeBrace && --depth === 0) return at + 1;
    }
  }
  throw new NotJson('a closing bracket', bytes.length);
}

export function isObject(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === openBrace;
}

export function isArray(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === openBracket;
}

export function isText(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === quote;
}

const nullBytes = Buffer.from('null');

export function isNull(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === nullBytes[0] && isName(bytes, at, at + nullBytes.length, nullBytes);
}

/** Walks over the members of an object, one after the other. */
export class Members {
  /** Bounds of the name, without its quotes; whether it has escapes. */
  nameAt = 0;
  nameEnd = 0;
  isNameEscaped = false;
  /** Where the value begins. */
  at = 0;
  /** The place after the value, once skip has found it (or the reader of the value has set it). */
  end = 0;
  /** Whether the skipped value is a string with escapes. */
  isEscaped = false;
  #bytes: Uint8Array = noBytes;
  #isFirst = true;

  /** Begins with the object at `at`. */
  open(bytes: Uint8Array, at: number): void {
    if (bytes[at] !== openBrace) throw new NotJson('an object', at);
    this.#bytes = bytes;
    this.#isFirst = true;
    this.end = at + 1;
  }

  /** Goes on to the next member, from `end`; false after the last one: `end` is the place after the object then. */
  next(): boolean {
    const bytes = this.#bytes;
    let at = afterSpace(bytes, this.end);
    if (bytes[at] === closeBrace) {
      this.end = at + 1;
      return false;
    }
    if (this.#isFirst) this.#isFirst = false;
    else if (bytes[at] === comma) at = afterSpace(bytes, at + 1);
    else throw new NotJson('a comma or a closing brace', at);
    if (bytes[at] !== quote) throw new NotJson('the name of a member', at);
    this.nameAt = at + 1;
    const nameEnd = stringEnd(bytes, at + 1);
    this.isNameEscaped = nameEnd < 0;
    this.nameEnd = nameEnd < 0 ? ~nameEnd : nameEnd;
    at = afterSpace(bytes, this.nameEnd + 1);
    if (bytes[at] !== colon) throw new NotJson('a colon', at);
    this.at = afterSpace(bytes, at + 1);
    return true;
  }

  /** Goes over the value. */
  skip(): void {
    const bytes = this.#bytes;
    this.isEscaped = false;
    if (bytes[this.at] === quote) {
      const end = stringEnd(bytes, this.at + 1);
      this.isEscaped = end < 0;
      this.end = (end < 0 ? ~end : end) + 1;
    } else {
      this.end = valueEnd(bytes, this.at);
    }
  }
}

/** Walks over the elements of an array: where each begins. The one who reads it says where it ends. */
export class Elements {
  at = 0;
  #bytes: Uint8Array = noBytes;
  #isFirst = true;

  open(bytes: Uint8Array, at: number): void {
    if (bytes[at] !== openBracket) throw new NotJson('an array', at);
    this.#bytes = bytes;
    this.#isFirst = true;
    this.at = at + 1;
  }

  /** Goes on to the next element, `end` being the place after the one before; false after the last. */
  next(end: number): boolean {
    const bytes = this.#bytes;
    let at = afterSpace(bytes, end);
    if (bytes[at] === closeBracket) {
      this.at = at + 1;
      return false;
    }
    if (this.#isFirst) this.#isFirst = false;
    else if (bytes[at] === comma) at = afterSpace(bytes, at + 1);
    else throw new NotJson('a comma or a closing bracket', at);
    this.at = at;
    return true;
  }
}

/** Whether the bytes are this ASCII name. */
export function isName(bytes: Uint8Array, at: number, end: number, name: Uint8Array): boolean {
  const { length } = name;
  if (end - at !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

/** The string whose characters lie between the bounds, which its quotes surround. */
export function textAt(bytes: Buffer, at: number, end: number, escaped: boolean): string {
  return escaped
    ? (JSON.parse(bytes.toString('utf8', at - 1, end + 1)) as string)
    : bytes.toString('utf8', at, end);
}
