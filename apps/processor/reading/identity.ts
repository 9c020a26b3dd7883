/**
 * The key of an event's identity: 16 bytes of the SHA-256 of namespace, source and id (each after its length, as they lie in
 * the event's tuple), of which the first are replaced:
 *
 *   id with a time (UUIDv7, ULID)    6 bytes: the time in ms. Ids made one after the other lie beside each other
 *   any other id                     the byte ff, so that they lie apart from those with a time
 *
 * The function identity_key of the database does the same (db/migrations/011_identities.sql).
 */
export const keyBytes = 16;

const unorderedByte = 0xff;
/** The time's first byte is below unorderedByte. */
const orderedMsMax = unorderedByte * 2 ** 40;
const hash = Buffer.alloc(32);

/** Writes the key at `at`; from `from` to `end` lie namespace, source and id, from `idAt` on the id's text. */
export function writeKey(
  keys: Uint8Array,
  at: number,
  bytes: Uint8Array,
  { from, idAt, end }: { from: number; idAt: number; end: number },
): void {
  Bun.SHA256.hash(bytes.subarray(from, end), hash);
  for (let i = 0; i < keyBytes; i++) keys[at + i] = hash[i]!;
  const ms = timeOfId(bytes, idAt, end);
  if (ms === undefined || ms >= orderedMsMax) {
    keys[at] = unorderedByte;
    return;
  }
  const high = Math.floor(ms / 2 ** 32);
  const low = ms % 2 ** 32;
  keys[at] = high >>> 8;
  keys[at + 1] = high;
  keys[at + 2] = low >>> 24;
  keys[at + 3] = low >>> 16;
  keys[at + 4] = low >>> 8;
  keys[at + 5] = low;
}

const uuidLength = 36;
const ulidLength = 26;
const ulidTimeLength = 10;
const [dash, zero, seven] = Buffer.from('-07') as unknown as [number, number, number];

/**
 * Milliseconds since 1970 that a UUIDv7 (RFC 9562) or a ULID carries; undefined for any other id. Looks at the form only
 * as far as it must: all that counts is that the same id always gives the same time.
 */
export function timeOfId(id: Uint8Array, at = 0, end = id.length): number | undefined {
  switch (end - at) {
    case uuidLength: {
      if (id[at + 14] !== seven || id[at + 8] !== dash || id[at + 13] !== dash) return undefined;
      const high = digits(id, at, at + 8, 16, hexDigits);
      const low = digits(id, at + 9, at + 13, 16, hexDigits);
      return high < 0 || low < 0 ? undefined : high * 65_536 + low;
    }
    case ulidLength: {
      if (id[at]! < zero || id[at]! > seven) return undefined;
      const ms = digits(id, at, at + ulidTimeLength, 32, crockfordDigits);
      return ms < 0 ? undefined : ms;
    }
    default:
      return undefined;
  }
}

const hexDigits = digitValues('0123456789ABCDEF');
const crockfordDigits = digitValues('0123456789ABCDEFGHJKMNPQRSTVWXYZ');

/** By byte, capital or small: what the digit is worth, -1 for anything else. */
function digitValues(alphabet: string): Int8Array {
  const values = new Int8Array(256).fill(-1);
  for (const [value, digit] of [...alphabet].entries()) {
    values[digit.charCodeAt(0)] = value;
    values[digit.toLowerCase().charCodeAt(0)] = value;
  }
  return values;
}

/** The number that the digits make; -1 where one isn't a digit. */
function digits(id: Uint8Array, at: number, end: number, base: number, values: Int8Array): number {
  let number = 0;
  for (let i = at; i < end; i++) {
    const value = values[id[i]!]!;
    if (value < 0) return -1;
    number = number * base + value;
  }
  return number;
}
