import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { jsonIssueOf } from './jsonIssue.ts';

test.each([
  ['', 0, 'ends where a value'],
  ['{"a":1,}', 7, 'a name in double quotes'],
  ["{'a':1}", 1, 'a name in double quotes or }'],
  ['[1 2]', 3, 'a comma'],
  ['[1,]', 3, 'a value'],
  ['{"a" 1}', 5, 'a colon'],
  ['{"a":01}', 6, 'a comma'],
  ['{"a":NaN}', 5, 'a value'],
  ['{"a":"b', 7, 'inside of a string'],
  ['{"a":"\\x"}', 6, 'escape'],
  ['{"a":"\\u12"}', 6, 'escape'],
  ['{"a":"b\nc"}', 7, 'U+000A is not allowed'],
  ['{} x', 3, 'nothing more'],
  ['[1}', 2, 'a comma or the closing'],
  ['{"a":1', 6, 'ends where a comma'],
  ['"\\"', 3, 'inside of a string'],
])('%s', (text, position, reason) => {
  const issue = jsonIssueOf(text);
  expect(issue?.position).toBe(position);
  expect(issue?.reason).toContain(reason);
});

test('names line and column', () => {
  expect(jsonIssueOf('{\n  "a": 1\n  "b": 2\n}')).toMatchObject({ line: 3, column: 3 });
});

test('finds an issue exactly where JSON.parse does', () => {
  const tampered = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', '"', '\\', ',', '}', ']', '0', 'e', '\u0000', 'x', '-', '.'),
    )
    .map(([json, at, char]) => {
      const cut = at % (json.length + 1);
      return json.slice(0, cut) + char + json.slice(cut + (at % 3 === 0 ? 1 : 0));
    });
  fc.assert(
    fc.property(tampered, (text) => {
      let parses = true;
      try {
        JSON.parse(text);
      } catch {
        parses = false;
      }
      return parses === (jsonIssueOf(text) === undefined);
    }),
    { numRuns: 2_000 },
  );
});
