import { unpackFrame } from '@usage/lib/frame/encode.ts';

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
