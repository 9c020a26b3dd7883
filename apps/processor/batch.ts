import type { NewDeadLetter } from '@usage/db/events/deadLetters.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Part, readFrame } from '@usage/lib/frame/decode.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { isObject, valueEnd } from '@usage/lib/json/scan.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { entryMs, refOf, type StreamEntry } from '@usage/lib/stream/entry.ts';
import { type AckedFrame, suspectDeliveries } from '@usage/lib/stream/shardConsumer.ts';
import { CopyBuffers } from './reading/copyBuffers.ts';
import { EventReader } from './reading/events.ts';
import { keyBytes } from './reading/identity.ts';
import { Tuples, textColumns } from './reading/tuples.ts';

/** An event on its way into the events table: what is stored of it is a tuple, these are the ways to it. */
export interface Row {
  tuples: Tuples;
  start: number;
  end: number;
  /** Where its identity's key lies in the tuples' keys. */
  keyAt: number;
  timeUs: number;
  arrivedMs: number;
  frame: Frame;
  position: number;
  /** Id of the backfill that it was sent under. */
  backfill: string | undefined;
}

export interface Frame extends AckedFrame {
  /** Names it in dead letters and outcomes. */
  ref: string;
  bytes: number;
  /** A processor had it before, and may have stored it without saying so. */
  isRedelivered: boolean;
  /** Requests that wait for the outcome of their part. */
  waiting: { token: string; fromPosition: number; toPosition: number }[];
}

/** A frame that is delivered so often is a dead letter: as its bytes, for it may be reading it that ends a processor. */
const deadFromDelivery = 6;

/** Processors that had the frame ended twice or more: it is stored alone, so that it takes no other frame with it. */
export function isSuspect({ deliveries }: StreamEntry): boolean {
  return deliveries > suspectDeliveries;
}

/** Frames and their rows, gathered to be committed together. A batch is filled again once it is acked. */
export class Batch {
  readonly frames: Frame[] = [];
  readonly rows: Row[] = [];
  readonly rejected: NewDeadLetter[] = [];
  /** How many of the rejected are in the table of dead letters. */
  deadLettersWritten = 0;
  startedMs = performance.now();
  /** Its frame may be what ended the processors that had it before. */
  isSuspect = false;
  /** Every row there ever was, to be used again: making new ones was a tenth of the processor's time. */
  readonly #spare: Row[] = [];
  /** For store.prepare. */
  readonly copy = new CopyBuffers();
  readonly #tuples = new Tuples();
  readonly #reader = new EventReader();
  #isAwaited = false;
  #rejectedBytes = 0;

  /** A request waits for the commit. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** Of its rows, and of what was rejected. */
  get bytes(): number {
    return this.#tuples.end + this.#rejectedBytes;
  }

  get empty(): boolean {
    return this.frames.length === 0;
  }

  clear(): void {
    this.frames.length = 0;
    this.rows.length = 0;
    this.rejected.length = 0;
    this.deadLettersWritten = 0;
    this.#rejectedBytes = 0;
    this.#isAwaited = false;
    this.isSuspect = false;
    this.#tuples.clear();
    this.startedMs = performance.now();
  }

  /**
   * Unpacks a frame of the stream. What can't be unpacked becomes a dead letter, alone; so does, without a look into it, what
   * may have ended every processor that had it.
   */
  add(entry: StreamEntry): void {
    const frame = this.#addFrame(entry);
    if (entry.deliveries >= deadFromDelivery) {
      const times = entry.deliveries - 1;
      this.#rejectFrame(frame, entry, `${times} processors had the frame and ended before it was stored`);
      return;
    }
    failPoint(`decode-${entry.events}`);
    const rowsBefore = this.rows.length;
    const rejectedBefore = this.rejected.length;
    const rejectedBytesBefore = this.#rejectedBytes;
    const tuplesBefore = this.#tuples.end;
    try {
      this.#readEvents(frame, entry);
    } catch (error) {
      this.rows.length = rowsBefore;
      this.rejected.length = rejectedBefore;
      this.#tuples.end = tuplesBefore;
      this.#rejectedBytes = rejectedBytesBefore;
      frame.waiting = [];
      this.#rejectFrame(frame, entry, `the frame can't be decoded: ${(error as Error).message}`);
    }
  }

  #addFrame(entry: StreamEntry): Frame {
    const { shard, id, mark, events } = entry;
    const isRedelivered = entry.deliveries > 1;
    const ref = refOf(entry);
    const bytes = entry.frame.length;
    const frame: Frame = { shard, id, mark, ref, events, bytes, isRedelivered, waiting: [] };
    this.frames.push(frame);
    this.isSuspect ||= isSuspect(entry);
    return frame;
  }

  #rejectFrame({ ref }: Frame, entry: StreamEntry, reason: string): void {
    this.#rejectedBytes += entry.frame.length;
    const what = { kind: 'frame', namespace: undefined, frameId: ref, position: -1 } as const;
    this.rejected.push({ ...what, reason, payload: entry.frame });
  }

  #readEvents(frame: Frame, entry: StreamEntry): void {
    const arrivedMs = entryMs(entry.id);
    const reader = this.#reader;
    let position = 0;
    let fromPosition = 0;
    readFrame(
      entry.frame,
      (json, at, part) => {
        const end = isObject(json, at) ? reader.read(json, at) : valueEnd(json, at);
        const timeUs = isObject(json, at) && reader.isComplete ? reader.timeUs(part.receivedMs) : undefined;
        if (timeUs === undefined) this.#reject(frame, position, part, json.subarray(at, end));
        else this.#addRow(frame, position, part, json, timeUs, arrivedMs);
        position++;
        return end;
      },
      ({ waitToken }) => {
        if (waitToken) {
          frame.waiting.push({ token: waitToken, fromPosition, toPosition: position });
          this.#isAwaited = true;
        }
        fromPosition = position;
      },
    );
  }

  #addRow(
    frame: Frame,
    position: number,
    { namespace, backfill }: Part,
    json: Buffer,
    timeUs: number,
    arrivedMs: number,
  ): void {
    const tuples = this.#tuples;
    const keyAt = this.rows.length * keyBytes;
    const row = this.#spare[this.rows.length] ?? this.#newRow(frame);
    row.start = tuples.write(json, this.#reader, namespace, timeUs, arrivedMs, keyAt);
    row.end = tuples.end;
    row.keyAt = keyAt;
    row.timeUs = timeUs;
    row.arrivedMs = arrivedMs;
    row.frame = frame;
    row.position = position;
    row.backfill = backfill;
    this.rows.push(row);
  }

  #newRow(frame: Frame): Row {
    const places = { start: 0, end: 0, keyAt: 0, timeUs: 0.5, arrivedMs: 0.5 };
    const row = { tuples: this.#tuples, ...places, frame, position: 0, backfill: undefined };
    this.#spare.push(row);
    return row;
  }

  #reject(frame: Frame, position: number, { namespace, backfill }: Part, json: Uint8Array): void {
    this.#rejectedBytes += json.length;
    this.rejected.push({
      kind: 'event',
      namespace: namespace.name,
      backfill,
      reason: 'the event lacks id, source, type, subject or a valid time',
      frameId: frame.ref,
      position,
      payload: new Uint8Array(json),
    });
  }
}

/** The key of a row's identity, as hex text. */
export function keyOf({ tuples: { keys }, keyAt }: Row): string {
  return keys.toString('hex', keyAt, keyAt + keyBytes);
}

/** The columns of a row as texts. */
export function contentOf({ tuples: { bytes }, start }: Row) {
  const { namespace, source, id, type, subject, attributes, data } = textColumns(bytes, start);
  const text = ({ at, end }: { at: number; end: number }) => bytes.toString('utf8', at, end);
  const optional = (column: { at: number; end: number }) => (column.at < 0 ? undefined : text(column));
  return {
    namespace: text(namespace),
    source: text(source),
    id: text(id),
    type: text(type),
    subject: text(subject),
    attributes: optional(attributes),
    data: optional(data),
  };
}

/** The event as a client would send it, for a dead letter that may be driven again. */
export function eventBytes(row: Row): Buffer {
  const { id, source, type, subject, attributes, data } = contentOf(row);
  const event = { specversion: '1.0', id, source, type, subject, time: formatTimeUs(row.timeUs) };
  const more = attributes === undefined ? {} : jsonOf(attributes);
  return Buffer.from(JSON.stringify({ ...event, ...(more as object), data: data && jsonOf(data) }));
}

/** Text that is no JSON (a frame that no gateway wrote) is shown as a string. */
function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}
