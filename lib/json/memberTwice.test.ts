import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { memberTwice } from './memberTwice.ts';

const cases: [json: string, name: string | undefined][] = [
  ['{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}', undefined],
  ['{"a":1,"b":2,"a":3}', 'a'],
  [' { "a" : { "x" : 1 , "y" : "}" , "x" : 2 } } ', 'x'],
  ['[[], {}, {"k":[{"n":"\\"","n":null}]}]', 'n'],
  ['{"\\u0061":1,"a":2}', 'a'],
  ['{"":1,"":2}', ''],
  ['"a"', undefined],
];
for (const [json, name] of cases)
  test(`${json}: ${name === undefined ? 'no name twice' : `${JSON.stringify(name)} twice`}`, () =>
    expect(memberTwice(json)).toBe(name));

test('what JSON.stringify writes has no name twice', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => memberTwice(JSON.stringify(value)) === undefined));
});
