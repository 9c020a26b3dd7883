/** A frame as it lies in the stream. */
export interface StreamEntry {
  shard: number;
  /** `<ms>-<seq>`: Redis' clock at arrival. Unique within its shard, as long as Redis does not go back in time. */
  id: string;
  /** Made by the gateway for this frame alone; empty where an older gateway or somebody else wrote it. */
  mark: string;
  frame: Buffer;
  events: number;
  /** How often it was given to a processor. Each time but the last the processor ended, or lost it, before its ack. */
  deliveries: number;
}

export type EntryName = Pick<StreamEntry, 'shard' | 'id' | 'mark'>;

/** Names the frame for good, in dead letters and outcomes: ids alone repeat in other shards, and after a restore. */
export function refOf({ shard, id, mark }: EntryName): string {
  return shard === 0 && mark === '' ? id : `${shard}/${id}/${mark}`;
}

/** Milliseconds since 1970 at which Redis took the entry. */
export function entryMs(id: string): number {
  return Number(id.slice(0, id.indexOf('-')));
}

/** -1, 0 or 1 as the first id is older than the second, the same or newer. */
export function compareIds(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number);
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number);
  return Math.sign(aMs - bMs || aSeq - bSeq);
}

export type RawEntry = [Buffer, Buffer[] | null];

/**
 * Undefined for an entry that was deleted while pending: it comes without fields, and there is nothing left to do for it.
 * A foreign writer's entry may lack a frame, or say nothing usable of how many events it holds: an empty frame, of none.
 */
export function toEntry(shard: number, [id, fields]: RawEntry, deliveries: number): StreamEntry | undefined {
  if (!fields) return undefined;
  const of = (name: string) =>
    fields.find((_, index) => index % 2 === 1 && fields[index - 1]?.toString() === name);
  const events = Number(of('n')?.toString() ?? 0);
  return {
    shard,
    id: id.toString(),
    mark: of('u')?.toString() ?? '',
    frame: of('f') ?? Buffer.alloc(0),
    events: Number.isSafeInteger(events) && events > 0 ? events : 0,
    deliveries,
  };
}
