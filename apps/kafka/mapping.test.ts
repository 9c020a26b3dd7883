import { describe, expect, test } from 'bun:test';
import { rulesOf } from './mapping.ts';

describe('a mapping of topics', () => {
  test('names every issue at once', () => {
    const { issues } = rulesOf({
      topics: {
        a: { type: 'prompt', subject: ['key', 'user'], time: '$.at[*]', tokens: '$.n' },
        b: 'avro',
        c: { type: '=x', subject: 'header:customer', data: [] },
        d: { subject: '$.s' },
      },
      group: 'g',
    });
    expect(issues).toEqual([
      'group is not known',
      'a: tokens is not known; there are type, subject, id, source, time, data',
      'a: type: "prompt" is not understood: expected $.path, =text, key, or header:NAME',
      'a: subject: "user" is not understood: expected $.path, =text, key, or header:NAME',
      expect.stringMatching(/^a: time: \$\.at\[\*\] is not understood at character 5/),
      'b: expected cloudevents, or a map with type, subject and data',
      'c: data must be a map',
      'd: type: expected $.path, =text, key, or header:NAME',
    ]);
  });

  test.each([undefined, {}, { topics: {} }, { topics: ['a'] }, 'a'])('refuses %p', (content) => {
    expect(rulesOf(content).issues).toHaveLength(1);
  });
});
