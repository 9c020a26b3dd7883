import { endUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { parseTimeUsAt } from '@usage/lib/event/timeBytes.ts';
import { isName, isNull, isText, Members, type Text, textAt } from '@usage/lib/json/scan.ts';

/** A member of an event: where its text (or, for data, its JSON) lies. */
class Field implements Text {
  readonly name: Uint8Array;
  at = -1;
  end = -1;
  text: string | undefined;

  constructor(name: string) {
    this.name = Buffer.from(name);
  }

  clear(): void {
    this.at = -1;
    this.end = -1;
    this.text = undefined;
  }

  /** A string; anything else counts as absent. */
  setText(bytes: Buffer, { at, end, isEscaped }: Members): void {
    this.clear();
    if (!isText(bytes, at)) return;
    this.at = at + 1;
    this.end = end - 1;
    if (isEscaped) this.text = textAt(bytes, this.at, this.end, true);
  }

  get isEmpty(): boolean {
    return this.end <= this.at;
  }
}

/**
 * One event of a frame after the other, as places in the frame's bytes. The same object for all of them: what it shows
 * holds until the next call of read.
 */
export class EventReader {
  readonly id = new Field('id');
  readonly source = new Field('source');
  readonly type = new Field('type');
  readonly subject = new Field('subject');
  readonly data = new Field('data');
  readonly #time = new Field('time');
  readonly #specversion = new Field('specversion');
  /** Bounds of the members that have no column, name and value: the attributes. */
  readonly members: number[] = [];
  readonly #names: string[] = [];
  #hasTime = false;
  #bytes: Buffer = Buffer.alloc(0);
  #found = new Members();

  /** Reads the event at `at`; returns the place after it. */
  read(bytes: Buffer, at: number): number {
    this.#clear(bytes);
    const found = this.#found;
    found.open(bytes, at);
    while (found.next()) {
      found.skip();
      const field = this.#fieldOf(bytes, found);
      if (field === undefined) {
        this.#setMember(bytes, found);
      } else if (field === this.data) {
        this.data.at = isNull(bytes, found.at) ? -1 : found.at;
        this.data.end = isNull(bytes, found.at) ? -1 : found.end;
      } else {
        field.setText(bytes, found);
        if (field === this.#time) this.#hasTime = !isNull(bytes, found.at);
      }
    }
    return found.end;
  }

  /** Whether everything is there that a row needs; gateways let nothing else in. */
  get isComplete(): boolean {
    return !(this.id.isEmpty || this.source.isEmpty || this.type.isEmpty || this.subject.isEmpty);
  }

  /** Its own time, else that of its arrival; undefined where it is no time that can be stored. */
  timeUs(receivedMs: number): number | undefined {
    const { at, end, text } = this.#time;
    if (text !== undefined) return parseTimeUs(text);
    if (at >= 0) return parseTimeUsAt(this.#bytes, at, end);
    return this.#hasTime || !isStorable(receivedMs) ? undefined : receivedMs * 1_000;
  }

  /** Of members of one name the last counts, as everywhere in JSON. */
  #setMember(bytes: Buffer, { nameAt, nameEnd, isNameEscaped, at, end }: Members): void {
    const name = textAt(bytes, nameAt, nameEnd, isNameEscaped);
    const before = this.#names.indexOf(name);
    if (before >= 0) {
      this.#names.splice(before, 1);
      this.members.splice(before * 2, 2);
    }
    if (isNull(bytes, at)) return;
    this.#names.push(name);
    this.members.push(nameAt - 1, end);
  }

  #clear(bytes: Buffer): void {
    this.#bytes = bytes;
    this.id.clear();
    this.source.clear();
    this.type.clear();
    this.subject.clear();
    this.data.clear();
    this.#time.clear();
    this.#hasTime = false;
    if (this.members.length > 0) this.#clearMembers();
  }

  /** Not for every event: setting a length is a slow call. */
  #clearMembers(): void {
    this.members.length = 0;
    this.#names.length = 0;
  }

  #fieldOf(bytes: Buffer, { nameAt, nameEnd, isNameEscaped }: Members): Field | undefined {
    if (isNameEscaped) return this.#fieldNamed(Buffer.from(textAt(bytes, nameAt, nameEnd, true)));
    return this.#fieldNamed(bytes, nameAt, nameEnd);
  }

  /** Lengths tell most names apart. */
  #fieldNamed(bytes: Buffer, at = 0, end = bytes.length): Field | undefined {
    switch (end - at) {
      case 2:
        return match(bytes, at, end, this.id);
      case 4:
        return (
          match(bytes, at, end, this.type) ??
          match(bytes, at, end, this.#time) ??
          match(bytes, at, end, this.data)
        );
      case 6:
        return match(bytes, at, end, this.source);
      case 7:
        return match(bytes, at, end, this.subject);
      case 11:
        return match(bytes, at, end, this.#specversion);
      default:
        return undefined;
    }
  }
}

function match(bytes: Buffer, at: number, end: number, field: Field): Field | undefined {
  return isName(bytes, at, end, field.name) ? field : undefined;
}

/** Gateways know the time; a frame that somebody else wrote must not stop the processor. */
function isStorable(ms: number): boolean {
  return ms >= 0 && ms * 1_000 < endUs;
}
