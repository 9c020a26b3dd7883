import type { NewDeadLetter } from '@usage/db/events/deadLetters.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Part, readFrame } from '@usage/lib/frame/decode.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { isObject, valueEnd } from '@usage/lib/json/scan.ts';
import { entryMs, refOf, type StreamEntry } from '@usage/lib/stream/entry.ts';
import type { AckedFrame } from '@usage/lib/stream/shardConsumer.ts';
import { filingAt, type PeriodRules } from './partition.ts';
import { EventReader } from './reading/events.ts';
import { CopyBuffer, Tuples, textColumns } from './reading/tuples.ts';

/** An event on its way into the events table: what is stored of it is a tuple, these are the ways to it. */
export interface Row {
  tuples: Tuples;
  start: number;
  end: number;
  idAt: number;
  idEnd: number;
  timeUs: number;
  arrivedMs: number;
  period: number;
  /** A copy may lie in a neighbouring period: it has to be looked for before the row is stored. */
  lookAround: boolean;
  /** A copy that arrived later may be stored in the next period already. */
  mayBeOvertaken: boolean;
  frame: Frame;
  position: number;
}

export interface Frame extends AckedFrame {
  /** Names it in dead letters and outcomes. */
  ref: string;
  bytes: number;
  /** Requests that wait for the outcome of their part. */
  waiting: { token: string; fromPosition: number; toPosition: number }[];
}

/** Frames and their rows, gathered to be committed together. A batch is filled again once it is acked. */
export class Batch {
  readonly frames: Frame[] = [];
  readonly rows: Row[] = [];
  readonly rejected: NewDeadLetter[] = [];
  /** How many of the rejected are in the table of dead letters. */
  deadLettersWritten = 0;
  startedMs = performance.now();
  /** Every row there ever was, to be used again: making new ones was a tenth of the processor's time. */
  readonly #spare: Row[] = [];
  /** For store.prepare. */
  readonly copy = new CopyBuffer();
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
    this.#tuples.clear();
    this.startedMs = performance.now();
  }

  /** Unpacks a frame of the stream. What can't be unpacked becomes a dead letter, alone. */
  add(entry: StreamEntry, rules: PeriodRules): void {
    const { shard, id, mark, events } = entry;
    const frame: Frame = {
      shard,
      id,
      mark,
      ref: refOf(entry),
      events,
      bytes: entry.frame.length,
      waiting: [],
    };
    this.frames.push(frame);
    const rowsBefore = this.rows.length;
    const rejectedBefore = this.rejected.length;
    const rejectedBytesBefore = this.#rejectedBytes;
    const tuplesBefore = this.#tuples.end;
    try {
      this.#readEvents(frame, entry, rules);
    } catch (error) {
      this.rows.length = rowsBefore;
      this.rejected.length = rejectedBefore;
      this.#tuples.end = tuplesBefore;
      this.#rejectedBytes = rejectedBytesBefore + entry.frame.length;
      frame.waiting = [];
      const reason = `the frame can't be decoded: ${(error as Error).message}`;
      const what = { kind: 'frame', namespace: undefined, frameId: frame.ref, position: -1 } as const;
      this.rejected.push({ ...what, reason, payload: entry.frame });
    }
  }

  #readEvents(frame: Frame, entry: StreamEntry, rules: PeriodRules): void {
    const arrivedMs = entryMs(entry.id);
    const file = filingAt(arrivedMs, rules);
    const reader = this.#reader;
    let position = 0;
    let fromPosition = 0;
    readFrame(
      entry.frame,
      (json, at, part) => {
        const end = isObject(json, at) ? reader.read(json, at) : valueEnd(json, at);
        const timeUs = isObject(json, at) && reader.isComplete ? reader.timeUs(part.receivedMs) : undefined;
        if (timeUs === undefined) this.#reject(frame, position, part, json.subarray(at, end));
        else this.#addRow(frame, position, part, json, timeUs, arrivedMs, file);
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
    { namespace }: Part,
    json: Buffer,
    timeUs: number,
    arrivedMs: number,
    file: ReturnType<typeof filingAt>,
  ): void {
    const tuples = this.#tuples;
    const { period, lookAround, mayBeOvertaken } = file(json, this.#reader.id);
    const row = this.#spare[this.rows.length] ?? this.#newRow(frame);
    row.start = tuples.write(json, this.#reader, namespace, timeUs, arrivedMs, period);
    row.end = tuples.end;
    row.idAt = tuples.idAt;
    row.idEnd = tuples.idEnd;
    row.timeUs = timeUs;
    row.arrivedMs = arrivedMs;
    row.period = period;
    row.lookAround = lookAround;
    row.mayBeOvertaken = mayBeOvertaken;
    row.frame = frame;
    row.position = position;
    this.rows.push(row);
  }

  #newRow(frame: Frame): Row {
    const places = {
      start: 0,
      end: 0,
      idAt: 0,
      idEnd: 0,
      timeUs: 0.5,
      arrivedMs: 0.5,
    };
    const filing = { period: 0, lookAround: false, mayBeOvertaken: false };
    const row = { tuples: this.#tuples, ...places, ...filing, frame, position: 0 };
    this.#spare.push(row);
    return row;
  }

  #reject(frame: Frame, position: number, { namespace }: Part, json: Uint8Array): void {
    this.#rejectedBytes += json.length;
    this.rejected.push({
      kind: 'event',
      namespace: namespace.name,
      reason: 'the event lacks id, source, type, subject or a valid time',
      frameId: frame.ref,
      position,
      payload: new Uint8Array(json),
    });
  }
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
