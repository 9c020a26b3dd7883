import { nearestName } from '../validation/nearest.ts';

/**
 * OpenMeter's filters on a text field; several operators in one object must all pass, as with `$and`.
 * Comparisons are by Unicode code point. `$like` knows % and _ and the escape \, as SQL does.
 */
export type TextFilter =
  | {
      operator: 'eq' | 'ne' | 'like' | 'nlike' | 'ilike' | 'nilike' | 'gt' | 'gte' | 'lt' | 'lte';
      value: string;
    }
  | { operator: 'in' | 'nin'; values: string[] }
  | { operator: 'and' | 'or'; filters: TextFilter[] };

const textOperators = ['eq', 'ne', 'like', 'nlike', 'ilike', 'nilike', 'gt', 'gte', 'lt', 'lte'] as const;
const listOperators = ['in', 'nin'] as const;
const joinOperators = ['and', 'or'] as const;

const allOperators = [...textOperators, ...listOperators, ...joinOperators].map((name) => `$${name}`);

const valuesMax = 1_000;
/** Of one filter, in all: each is applied to every value. */
const operatorsMax = 100;
const depthMax = 5;
const textLengthMax = 1_024;

/**
 * Reads a filter from JSON; undefined where it is empty. Operators that are null count as left out.
 * Throws an Error whose message continues the field's name.
 */
export function readTextFilter(json: unknown, depth = 0, seen = { operators: 0 }): TextFilter | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error('expected an object such as {"$eq": "a"}');
  if (depth > depthMax) throw new Error(`filters are nested deeper than ${depthMax}`);
  const entries = Object.entries(json).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length === 0) return undefined;
  seen.operators += entries.length;
  if (seen.operators > operatorsMax) throw new Error(`has more than ${operatorsMax} operators`);
  const filters = entries.map(([name, value]) => readOperator(name, value, depth, seen));
  return filters.length === 1 ? filters[0] : { operator: 'and', filters };
}

function readOperator(name: string, value: unknown, depth: number, seen: { operators: number }): TextFilter {
  const operator = name.slice(1);
  if (!name.startsWith('$')) throw unknownOperator(name);
  if (isOneOf(textOperators, operator)) return { operator, value: textOf(name, value) };
  if (isOneOf(listOperators, operator))
    return { operator, values: listOf(name, value).map((item) => textOf(name, item)) };
  if (isOneOf(joinOperators, operator)) {
    const filters = filledListOf(name, value).map((item) => readTextFilter(item, depth + 1, seen));
    return { operator, filters: filters.filter((filter) => filter !== undefined) };
  }
  throw unknownOperator(name);
}

function unknownOperator(name: string): Error {
  const near = nearestName(name, allOperators);
  return new Error(`unknown operator ${quote(name)}${near ? `; did you mean ${near}?` : ''}`);
}

/** Whether a text passes. */
export function passes(filter: TextFilter, text: string): boolean {
  switch (filter.operator) {
    case 'eq':
      return text === filter.value;
    case 'ne':
      return text !== filter.value;
    case 'in':
      return filter.values.includes(text);
    case 'nin':
      return !filter.values.includes(text);
    case 'like':
      return isLike(text, filter.value);
    case 'nlike':
      return !isLike(text, filter.value);
    case 'ilike':
      return isLike(text.toLowerCase(), filter.value.toLowerCase());
    case 'nilike':
      return !isLike(text.toLowerCase(), filter.value.toLowerCase());
    case 'gt':
      return compareTexts(text, filter.value) > 0;
    case 'gte':
      return compareTexts(text, filter.value) >= 0;
    case 'lt':
      return compareTexts(text, filter.value) < 0;
    case 'lte':
      return compareTexts(text, filter.value) <= 0;
    case 'and':
      return filter.filters.every((one) => passes(one, text));
    case 'or':
      return filter.filters.length === 0 || filter.filters.some((one) => passes(one, text));
    default:
      return filter satisfies never;
  }
}

/** By code point, which is the order of the UTF-8 bytes; < on strings puts U+1F600 before U+FFFD. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above U+FFFF, so they come after all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}

/** SQL's LIKE in time proportional to text × pattern at worst: a regular expression could be made to hang. */
export function isLike(text: string, pattern: string): boolean {
  const tokens = tokensOf(pattern);
  const letters = [...text];
  let at = 0;
  let token = 0;
  let restart: { at: number; token: number } | undefined;
  while (at < letters.length) {
    const wanted = tokens[token];
    if (wanted === anyText) {
      restart = { at, token: ++token };
    } else if (wanted !== undefined && (wanted === anyLetter || wanted === letters[at])) {
      at++;
      token++;
    } else if (restart) {
      at = ++restart.at;
      token = restart.token;
    } else return false;
  }
  while (tokens[token] === anyText) token++;
  return token === tokens.length;
}

const anyText = Symbol('%');
const anyLetter = Symbol('_');

function tokensOf(pattern: string): (string | symbol)[] {
  const tokens: (string | symbol)[] = [];
  let escaped = false;
  for (const letter of pattern) {
    if (escaped || (letter !== '%' && letter !== '_' && letter !== '\\')) tokens.push(letter);
    else if (letter !== '\\') tokens.push(letter === '%' ? anyText : anyLetter);
    escaped = letter === '\\' && !escaped;
  }
  if (escaped) tokens.push('\\');
  return tokens;
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${name}: expected a text`);
  if (value.length > textLengthMax) throw new Error(`${name}: longer than ${textLengthMax} characters`);
  if (value.includes('\0') || !value.isWellFormed())
    throw new Error(`${name}: holds NUL or half a surrogate pair`);
  return value;
}

function listOf(name: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${name}: expected a list`);
  if (value.length > valuesMax) throw new Error(`${name}: more than ${valuesMax} values`);
  return value;
}

/** All pass a filter without conditions: whoever joins none has made a mistake. */
function filledListOf(name: string, value: unknown): unknown[] {
  const list = listOf(name, value);
  if (list.length === 0) throw new Error(`${name}: must not be empty`);
  return list;
}

function isOneOf<T extends string>(names: readonly T[], name: string): name is T {
  return (names as readonly string[]).includes(name);
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
