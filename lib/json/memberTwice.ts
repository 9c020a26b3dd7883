import { afterSpace, Elements, isArray, isObject, Members, textAt, valueEnd } from './scan.ts';

/**
 * The name that an object in this JSON gives to two of its members; undefined where there is none. JSON.parse would keep the
 * last of them. The text must be JSON.
 */
export function memberTwice(json: string): string | undefined {
  const bytes = Buffer.from(json);
  return twiceIn(bytes, afterSpace(bytes, 0));
}

function twiceIn(bytes: Buffer, at: number): string | undefined {
  if (isArray(bytes, at)) {
    const elements = new Elements();
    elements.open(bytes, at);
    for (let end = at + 1; elements.next(end); end = valueEnd(bytes, elements.at)) {
      const found = twiceIn(bytes, elements.at);
      if (found !== undefined) return found;
    }
  }
  if (!isObject(bytes, at)) return undefined;
  const names = new Set<string>();
  const members = new Members();
  members.open(bytes, at);
  while (members.next()) {
    const name = textAt(bytes, members.nameAt, members.nameEnd, members.isNameEscaped);
    if (names.has(name)) return name;
    names.add(name);
    const found = twiceIn(bytes, members.at);
    if (found !== undefined) return found;
    members.skip();
  }
  return undefined;
}
