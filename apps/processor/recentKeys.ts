/**
 * Which identities this processor has met lately: a hint, never a proof. One that it knows is added with a look at the
 * identity table; one that it doesn't know is copied into it, where the index has the last word. So the usual duplicate, a
 * client's retry seconds later, costs one look and not a second attempt for its whole batch.
 *
 * Buckets of fifteen fingerprints, and the place of the next one: 32 MiB for the last eight million identities or so. A bucket
 * forgets only when fifteen newer ones fell into it: of half a million 60 to 90 were forgotten after two million more, where
 * a table without buckets forgot two fifths. One cache miss an identity.
 */
const buckets = 1 << 19;
const bucketSize = 16;
const ways = bucketSize - 1;
/** The last bytes of a key are of a hash, whatever the id. */
const hashedAt = 8;

export class RecentKeys {
  #table = new Int32Array(buckets * bucketSize);

  /** Whether the key at `at` was met before; from now on it was. */
  meet(keys: Uint8Array, at: number): boolean {
    const bucket = wordAt(keys, at + hashedAt);
    const fingerprint = wordAt(keys, at + hashedAt + 4) || 1; // 0 stands for a free place
    const first = (bucket & (buckets - 1)) * bucketSize;
    const table = this.#table;
    for (let way = 1; way <= ways; way++) if (table[first + way] === fingerprint) return true;
    const next = table[first]!;
    table[first + 1 + next] = fingerprint;
    table[first] = next + 1 === ways ? 0 : next + 1;
    return false;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
