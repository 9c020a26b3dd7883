const poolBytes = 4_096;
const pool = new Uint8Array(poolBytes);
let used = poolBytes;

/** RFC 9562: 48 bits of time in ms, then random. Random bytes are drawn in bulk: one call for 400 ids. */
export function uuidV7(): string {
  if (used + 10 > poolBytes) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const time = Date.now().toString(16).padStart(12, '0');
  const at = used;
  used += 10;
  const version = hex[0x70 | (pool[at]! & 0x0f)]! + hex[pool[at + 1]!]!;
  const variant = hex[0x80 | (pool[at + 2]! & 0x3f)]! + hex[pool[at + 3]!]!;
  let tail = '';
  for (let i = 4; i < 10; i++) tail += hex[pool[at + i]!]!;
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${variant}-${tail}`;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
