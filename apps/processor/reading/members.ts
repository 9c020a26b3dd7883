import { parseJson } from '@usage/lib/json/parse.ts';
import { isName, isObject, isText, Members, textAt } from '@usage/lib/json/scan.ts';
import type { Texts } from './texts.ts';

/** Numbers of so many digits are safe: shorter than 2^53. */
const digitsMax = 15;
/** Setting this one on an object would set its prototype. */
const prototype = '__proto__';

/** Reads from an event's data what meters look at, and nothing else. */
export class MemberPicker {
  #names: { name: string; bytes: Uint8Array }[] | undefined;
  #members = new Members();

  /** `wanted`: each meter's members of data; undefined where it looks at all of it. */
  constructor(wanted: readonly (readonly string[] | undefined)[]) {
    const names = new Set(wanted.flatMap((members) => members ?? prototype));
    if (names.has(prototype)) return;
    this.#names = [...names].map((name) => ({ name, bytes: Buffer.from(name) }));
  }

  /** An object of the wanted members that are there. Data that is no object, or no JSON, comes whole or not at all. */
  pick(bytes: Buffer, at: number, end: number, texts: Texts): unknown {
    try {
      if (!this.#names || !isObject(bytes, at)) return parseJson(bytes.toString('utf8', at, end));
      return this.#names.length === 0 ? {} : this.#pickMembers(bytes, at, texts);
    } catch {
      return undefined; // PostgreSQL will refuse it, with its reason
    }
  }

  #pickMembers(bytes: Buffer, start: number, texts: Texts): Record<string, unknown> {
    const picked: Record<string, unknown> = {};
    const members = this.#members;
    members.open(bytes, start);
    while (members.next()) {
      members.skip();
      const name = this.#nameOf(bytes, members);
      if (name !== undefined) picked[name] = valueAt(bytes, members, texts);
    }
    return picked;
  }

  #nameOf(bytes: Buffer, { nameAt, nameEnd, isNameEscaped }: Members): string | undefined {
    const names = this.#names!;
    if (isNameEscaped) {
      const text = textAt(bytes, nameAt, nameEnd, true);
      return names.find(({ name }) => name === text)?.name;
    }
    for (const one of names) if (isName(bytes, nameAt, nameEnd, one.bytes)) return one.name;
    return undefined;
  }
}

function valueAt(bytes: Buffer, { at, end, isEscaped }: Members, texts: Texts): unknown {
  if (isText(bytes, at)) return texts.of(bytes, at + 1, end - 1, isEscaped);
  return wholeNumberAt(bytes, at, end) ?? parseJson(bytes.toString('utf8', at, end));
}

/** The number that digits alone make; undefined where it is anything else. */
function wholeNumberAt(bytes: Buffer, at: number, end: number): number | undefined {
  if (end - at > digitsMax || (bytes[at] === 48 && end - at > 1)) return undefined;
  let number = 0;
  for (let i = at; i < end; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return undefined;
    number = number * 10 + digit;
  }
  return number;
}
