import { parseDecimal } from '@usage/lib/decimal/decimal.ts';

/** A place in the data of events that a meter can look at. */
export interface DataPath {
  /** JSONPath, as a meter takes it. */
  path: string;
  /** Events that have a value there. */
  events: number;
  /** How many of these values are numbers, or texts that are one. */
  numbers: number;
  /** Some of the values as texts, different ones, cut where they are long. */
  examples: string[];
}

const pathsMax = 200;
const depthMax = 8;
const elementsMax = 3;
const examplesMax = 5;
const exampleCharsMax = 80;
const plainName = /^[A-Za-z_][\w-]*$/;

/** The paths to single values that exist in these data, in the order in which they were found. */
export function pathsIn(data: readonly unknown[]): DataPath[] {
  const found = new Map<string, DataPath>();
  for (const one of data) visit(one, '$', 0, found);
  return [...found.values()];
}

function visit(value: unknown, path: string, depth: number, found: Map<string, DataPath>): void {
  if (value === null || value === undefined || depth > depthMax) return;
  if (Array.isArray(value)) {
    for (const [at, element] of value.slice(0, elementsMax).entries())
      visit(element, `${path}[${at}]`, depth + 1, found);
    return;
  }
  if (typeof value === 'object' && !JSON.isRawJSON(value)) {
    for (const [name, member] of Object.entries(value)) visit(member, path + stepTo(name), depth + 1, found);
    return;
  }
  if (path === '$') return;
  note(found, path, value);
}

function note(found: Map<string, DataPath>, path: string, value: unknown): void {
  let entry = found.get(path);
  if (!entry) {
    if (found.size >= pathsMax) return;
    entry = { path, events: 0, numbers: 0, examples: [] };
    found.set(path, entry);
  }
  entry.events++;
  const text = JSON.isRawJSON(value) ? value.rawJSON : String(value);
  if (typeof value !== 'boolean' && parseDecimal(text) !== undefined) entry.numbers++;
  const example = text.slice(0, exampleCharsMax).toWellFormed();
  if (entry.examples.length < examplesMax && !entry.examples.includes(example)) entry.examples.push(example);
}

function stepTo(name: string): string {
  return plainName.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}
