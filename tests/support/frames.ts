import { unpackFrame } from '@usage/lib/frame/encode.ts';
import type { StreamEntry } from '@usage/lib/stream/entry.ts';

export interface FrameContent {
  namespace: string;
  receivedMs: number;
  events: unknown[];
  waitToken?: string;
}

/** The parts of a frame as the gateway wrote them, parsed: not with the reader that is under test elsewhere. */
export function contentOfFrame(frame: Uint8Array): FrameContent[] {
  return JSON.parse(unpackFrame(frame).toString()).map((part: FrameContent) => ({
    ...part,
    events: Array.isArray(part.events) ? part.events : [part.events],
  }));
}

/** A frame as a processor reads it, for the first time, from the only shard. */
export function streamEntry(id: string, frame: Buffer, events: number): StreamEntry {
  return { shard: 0, id, mark: '', frame, events, deliveries: 1 };
}
