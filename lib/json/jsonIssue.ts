/**
 * Where a text stops being JSON. JSON.parse of JavaScriptCore doesn't tell; this runs only after it has failed, so it
 * is written for clarity: one pass, no recursion.
 */
export interface JsonIssue {
  /** Zero-based, in UTF-16 code units. */
  position: number;
  line: number;
  column: number;
  reason: string;
}

/** The first issue of a text that JSON.parse refuses; undefined when the grammar finds none (nested too deep). */
export function jsonIssueOf(text: string): JsonIssue | undefined {
  const issue = scan(text);
  if (!issue) return undefined;
  const before = text.slice(0, issue.position);
  const line = before.split('\n').length;
  return { ...issue, line, column: issue.position - before.lastIndexOf('\n') };
}

type Issue = Pick<JsonIssue, 'position' | 'reason'>;
type Expected = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'commaOrEnd' | 'end';

const space = /[ \t\n\r]*/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none of them in a string
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"?/y;

function scan(text: string): Issue | undefined {
  const open: ('{' | '[')[] = [];
  let expected = 'value' as Expected;
  let at = skip(space, text, 0);
  const afterValue = (): Expected => (open.length === 0 ? 'end' : 'commaOrEnd');
  for (; at < text.length; at = skip(space, text, at)) {
    const char = text[at];
    if (char === '"' && expected !== 'end' && expected !== 'colon' && expected !== 'commaOrEnd') {
      const end = skip(string, text, at);
      if (end === at + 1 || text[end - 1] !== '"' || endsEscaped(text, at, end))
        return stringIssue(text, end);
      expected = expected === 'key' || expected === 'keyOrEnd' ? 'colon' : afterValue();
      at = end;
    } else if (expected === 'value' || (expected === 'valueOrEnd' && char !== ']')) {
      if (char === '{' || char === '[') {
        open.push(char);
        expected = char === '{' ? 'keyOrEnd' : 'valueOrEnd';
        at++;
      } else {
        const end = skip(scalar, text, at);
        if (end === at) return { position: at, reason: `expected a value, found ${shown(text, at)}` };
        expected = afterValue();
        at = end;
      }
    } else if (expected === 'colon' && char === ':') {
      expected = 'value';
      at++;
    } else if (expected === 'commaOrEnd' && char === ',') {
      expected = open.at(-1) === '{' ? 'key' : 'value';
      at++;
    } else if (closes(char, open.at(-1), expected)) {
      open.pop();
      expected = afterValue();
      at++;
    } else {
      return { position: at, reason: `expected ${named[expected]}, found ${shown(text, at)}` };
    }
  }
  if (expected === 'end') return undefined;
  return { position: text.length, reason: `ends where ${named[expected]} was expected` };
}

const named: Record<Expected, string> = {
  value: 'a value',
  valueOrEnd: 'a value or ]',
  key: 'a name in double quotes',
  keyOrEnd: 'a name in double quotes or }',
  colon: 'a colon',
  commaOrEnd: 'a comma or the closing bracket',
  end: 'nothing more',
};

function closes(char: string | undefined, opened: '{' | '[' | undefined, expected: Expected): boolean {
  if (char === '}') return opened === '{' && (expected === 'keyOrEnd' || expected === 'commaOrEnd');
  return char === ']' && opened === '[' && (expected === 'valueOrEnd' || expected === 'commaOrEnd');
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Whether the quote before `end` belongs to an escape, so that the string goes on. */
function endsEscaped(text: string, start: number, end: number): boolean {
  let backslashes = 0;
  for (let at = end - 2; at > start && text[at] === '\\'; at--) backslashes++;
  return backslashes % 2 === 1;
}

function stringIssue(text: string, at: number): Issue {
  if (at >= text.length) return { position: text.length, reason: 'ends inside of a string' };
  const reason =
    text[at] === '\\' ? 'unknown escape in a string' : `${shown(text, at)} is not allowed in a string`;
  return { position: at, reason };
}

function shown(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
  return /[\p{C}\p{Z}]/u.test(char)
    ? `U+${char.codePointAt(0)?.toString(16).padStart(4, '0').toUpperCase()}`
    : `'${char}'`;
}
