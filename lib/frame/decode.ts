import { isUtf8 } from 'node:buffer';
import {
  afterSpace,
  Elements,
  isArray,
  isName,
  isObject,
  isText,
  Members,
  type Text,
  textAt,
} from '../json/scan.ts';
import { release } from '../service/release.ts';
import { unpackFrame } from './encode.ts';

/** One request's events in a frame, as places in its bytes. */
export interface Part {
  namespace: Text & { name: string };
  receivedMs: number;
  waitToken: string | undefined;
  /** Id of the backfill that the events are of. */
  backfill: string | undefined;
}

const names = {
  namespace: Buffer.from('namespace'),
  receivedMs: Buffer.from('receivedMs'),
  waitToken: Buffer.from('waitToken'),
  backfill: Buffer.from('backfill'),
  events: Buffer.from('events'),
};

/**
 * Reads the parts of a frame: `onEvent` is called for each event with its place, and returns the place after it; `onPart`
 * once a part's events have been read. Throws an Error with the reason when the bytes aren't a frame.
 */
export function readFrame(
  frame: Uint8Array,
  onEvent: (json: Buffer, at: number, part: Part) => number,
  onPart: (part: Part) => void,
): void {
  const json = unpackFrame(frame);
  try {
    readParts(json, onEvent, onPart);
  } finally {
    if (json.buffer !== frame.buffer) release(json);
  }
}

function readParts(
  json: Buffer,
  onEvent: (json: Buffer, at: number, part: Part) => number,
  onPart: (part: Part) => void,
): void {
  const parts = new Elements();
  const members = new Members();
  parts.open(json, 0);
  if (!isUtf8(json)) throw new Error('it is not valid UTF-8');
  for (let end = parts.at; parts.next(end); end = members.end) {
    members.open(json, parts.at);
    onPart(readPart(json, members, onEvent));
  }
  if (afterSpace(json, parts.at) !== json.length) throw new Error('something follows its parts');
}

function readPart(
  json: Buffer,
  members: Members,
  onEvent: (json: Buffer, at: number, part: Part) => number,
): Part {
  const namespace = { at: -1, end: -1, text: undefined as string | undefined, name: '' };
  const part: Part = { namespace, receivedMs: Number.NaN, waitToken: undefined, backfill: undefined };
  let wereEventsRead = false;
  while (members.next()) {
    const { nameAt, nameEnd, at } = members;
    if (isName(json, nameAt, nameEnd, names.events)) {
      // Gateways write the events last: what they belong to is known by now.
      if (wereEventsRead) throw new Error('a part of the frame has events twice');
      if (namespace.at < 0 || !Number.isFinite(part.receivedMs)) break;
      members.end = readEvents(json, at, (eventAt) => onEvent(json, eventAt, part));
      wereEventsRead = true;
      continue;
    }
    members.skip();
    const { end, isEscaped } = members;
    if (isName(json, nameAt, nameEnd, names.namespace) && isText(json, at)) {
      namespace.at = at + 1;
      namespace.end = end - 1;
      namespace.name = textAt(json, at + 1, end - 1, isEscaped);
      if (isEscaped) namespace.text = namespace.name;
    } else if (isName(json, nameAt, nameEnd, names.receivedMs)) {
      part.receivedMs = Number(json.toString('latin1', at, end));
    } else if (isName(json, nameAt, nameEnd, names.waitToken) && isText(json, at)) {
      part.waitToken = textAt(json, at + 1, end - 1, isEscaped);
    } else if (isName(json, nameAt, nameEnd, names.backfill) && isText(json, at)) {
      part.backfill = textAt(json, at + 1, end - 1, isEscaped);
    }
  }
  if (!wereEventsRead) throw new Error('a part of the frame lacks namespace, receivedMs or events');
  return part;
}

function readEvents(json: Buffer, at: number, onEvent: (at: number) => number): number {
  if (isObject(json, at)) return onEvent(at);
  if (!isArray(json, at)) throw new Error('the events of a part are neither an object nor an array');
  const events = new Elements();
  events.open(json, at);
  for (let end = events.at; events.next(end); ) end = onEvent(events.at);
  return events.at;
}
