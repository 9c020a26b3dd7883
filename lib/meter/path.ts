/**
 * JSONPath as far as it names at most one value: the "singular queries" of RFC 9535 ($, .name, ['name'], [0], [-1]).
 * Compiled once for a meter, run for every event.
 */

export type Lookup = (data: unknown) => unknown;

const pathLengthMax = 512;
const step =
  /\.([A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)|\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(0|-?[1-9]\d{0,8}))\s*\]/y;

/** Throws an Error that says what is wrong and where. Values that aren't there come back as undefined. */
export function compilePath(path: string): Lookup {
  return lookupOf(parsePath(path));
}

/** Follows member names and indexes; a negative index counts from the end. */
export function lookupOf(steps: readonly (string | number)[]): Lookup {
  const [first, second] = steps;
  if (steps.length === 1 && typeof first === 'string') return (data) => member(data, first);
  if (steps.length === 2 && typeof first === 'string' && typeof second === 'string') {
    return (data) => member(member(data, first), second);
  }
  return (data) => {
    let value = data;
    for (const key of steps) value = typeof key === 'string' ? member(value, key) : element(value, key);
    return value;
  };
}

/** The member of the top level that the path begins with; undefined where it begins otherwise. */
export function firstMember(path: string): string | undefined {
  const [first] = parsePath(path);
  return typeof first === 'string' ? first : undefined;
}

function parsePath(path: string): (string | number)[] {
  if (!path.startsWith('$')) throw new Error('must start with $');
  if (path.length > pathLengthMax) throw new Error(`must not be longer than ${pathLengthMax} characters`);
  const steps: (string | number)[] = [];
  let at = 1;
  while (at < path.length) {
    step.lastIndex = at;
    const match = step.exec(path);
    if (!match) {
      throw new Error(
        `is not understood at character ${at + 1} ("${path.slice(at, at + 12)}"): only paths to one value are taken, like $.a.b, $['a b'] or $.list[0]`,
      );
    }
    const [whole, name, single, double, index] = match;
    steps.push(index === undefined ? (name ?? unquote(single ?? double!)) : Number(index));
    at += whole.length;
  }
  return steps;
}

function unquote(quoted: string): string {
  if (!quoted.includes('\\')) return quoted;
  const text = quoted.replace(/\\(.)|"/gs, (found, escaped) =>
    escaped === "'" ? "'" : found === '"' ? '\\"' : found,
  );
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    throw new Error(`has a wrong escape in "${quoted}"`);
  }
}

/** Own members only: `__proto__` and `constructor` are names like any other. */
function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function element(value: unknown, index: number): unknown {
  return Array.isArray(value) ? value.at(index) : undefined;
}
