const slots = 16_384;
/** Names tried for each shard: the nearest lies some 40 slots off on average. */
const namesMax = 200;

/**
 * The hash tag of a shard's keys. Tags by number alone would lie by chance: 12 of them 2, 2, 0, 4, 3 and 1 on six nodes. So
 * each is chosen to lie in a place of its own: 3 shards a third of all slots apart, 6 a sixth, 12 a twelfth. A shard
 * keeps its tag whatever their number, and shard 0 has the stream's name.
 */
export function shardTag(streamName: string, shard: number): string {
  if (shard === 0) return streamName;
  const place = ((shard % 3) + halvings(Math.floor(shard / 3))) / 3;
  const wanted = (slotOf(streamName) + Math.round(place * slots)) % slots;
  let best = '';
  let bestDistance = slots;
  for (let n = 0; n < namesMax; n++) {
    const tag = `${streamName}:${shard}.${n}`;
    const apart = Math.abs(slotOf(tag) - wanted);
    const distance = Math.min(apart, slots - apart);
    if (distance < bestDistance) [best, bestDistance] = [tag, distance];
  }
  return best;
}

/** 0, 1/2, 1/4, 3/4, 1/8, …: each number halves one of the widest gaps that those before it left. */
function halvings(n: number): number {
  let place = 0;
  for (let unit = 0.5, rest = n; rest > 0; rest >>= 1, unit /= 2) place += (rest & 1) * unit;
  return place;
}

/** Of a hash tag, as Redis Cluster computes it: CRC-16/XMODEM. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return (crc & 0xffff) % slots;
}
