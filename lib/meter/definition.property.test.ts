import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readMeterDefinition, readMeterUpdate } from './definition.ts';
import { aggregations } from './meter.ts';
import { compilePath } from './path.ts';

const valid = { slug: 'tokens_total', eventType: 'prompt', aggregation: 'SUM', valueProperty: '$.tokens' };

describe('whatever comes in', () => {
  test('is answered without throwing', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (input, other) => {
        readMeterDefinition(input);
        readMeterDefinition({ ...valid, groupBy: input, metadata: other });
        readMeterUpdate(input, undefined);
      }),
    );
  });

  test('is taken only as a meter that can be evaluated', () => {
    const path = fc.oneof(
      fc.constantFrom('$', '$.a', "$['a b'][0]", '$..a', 'a', '$.a[-1]', '$.ü'),
      fc.string().map((text) => `$.${text}`),
      fc.string().map((text) => `$[${JSON.stringify(text)}]`),
    );
    const definition = fc.record(
      {
        slug: fc.oneof(fc.stringMatching(/^[a-z0-9]+(_[a-z0-9]+)*$/), fc.string()),
        name: fc.string(),
        eventType: fc.string({ minLength: 1 }),
        aggregation: fc.constantFrom(...aggregations, 'NONE'),
        valueProperty: path,
        groupBy: fc.dictionary(fc.oneof(fc.stringMatching(/^[a-z_][a-z0-9_]*$/), fc.string()), path, {
          maxKeys: 3,
        }),
      },
      { requiredKeys: ['slug', 'eventType', 'aggregation'] },
    );
    fc.assert(
      fc.property(definition, (input) => {
        const read = readMeterDefinition(input);
        if ('issues' in read) {
          expect(read.issues.length).toBeGreaterThan(0);
          return;
        }
        const { slug, name, aggregation, valueProperty, groupBy } = read.value;
        expect(slug).toMatch(/^[a-z0-9]+(_[a-z0-9]+)*$/);
        expect(name.length).toBeGreaterThan(0);
        expect(valueProperty === undefined).toBe(aggregation === 'COUNT');
        for (const each of [valueProperty, ...Object.values(groupBy)]) if (each) compilePath(each);
        for (const [key, each] of Object.entries(groupBy)) {
          expect(key).toMatch(/^[a-zA-Z_]\w*$/);
          expect(each).not.toBe(valueProperty as string);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
