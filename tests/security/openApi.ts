import fc from 'fast-check';

/** Requests made from an OpenAPI description: mostly near what it asks for, then bent. */

export interface Operation {
  method: string;
  path: string;
  parameters: { in: string; name: string; schema: Schema }[];
  /** `itemSchema`: of each line. */
  bodies: Record<string, { schema: Schema; itemSchema?: Schema }>;
}

interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  patternProperties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  format?: string;
  examples?: unknown[];
  example?: unknown;
}

export interface FuzzRequest {
  method: string;
  target: string;
  headers: Record<string, string>;
  body: string | undefined;
}

const depthMax = 4;

// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document as it came
export function operationsOf(description: any): Operation[] {
  // biome-ignore lint/suspicious/noExplicitAny: the same
  return Object.entries<any>(description.paths).flatMap(([path, methods]) =>
    // biome-ignore lint/suspicious/noExplicitAny: the same
    Object.entries<any>(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: requestBody?.content ?? {},
    })),
  );
}

/** What breaks naive code: NUL, lone surrogates, prototypes, injections, huge numbers, formulas, traversal, zones. */
const hostileTexts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff',
  '__proto__',
  'constructor',
  'toString',
  "'; DROP TABLE meters; --",
  '" OR 1=1',
  '$$',
  '#{7*7}',
  '{{7*7}}',
  '%',
  '_%',
  '\\',
  '../../etc/passwd',
  '..%2f..%2f',
  '%00',
  '%zz',
  '%ff',
  '\r\nSet-Cookie: a=b',
  '=cmd|calc',
  '@SUM(1)',
  '-1',
  '-0',
  '1e400',
  '9'.repeat(400),
  'NaN',
  'Infinity',
  '0x10',
  '1_000',
  'null',
  'true',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '2016-12-31T23:59:60Z',
  '1970-01-01T00:00:00Z',
  '2026-11-22T10:00:00+99:99',
  'Mars/Olympus',
  '../UTC',
  'Europe/Berlin',
  'DAY',
  'MINUTE',
  'x'.repeat(5_000),
  '🧨',
  '\u202e',
  '$.a',
  '$.a[?(@.b)]',
  "$['a'] || pg_sleep(5)",
  '$..*',
  '$["\\u0000"]',
  '{"$eq":"x"}',
  '{"a":{"$like":"%%%%%%"}}',
  '[[[[',
  '{}',
];
const plainText = fc.constantFrom('tokens', 'prompt', 'customer-1', 'model', 'subject', 'default');
const text = fc.oneof(
  fc.constantFrom(...hostileTexts),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 12,
  }),
  plainText,
);
const anything: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.double(),
  fc.constantFrom(null, true, false, -0, 1e308, 2 ** 53, -1, 0, 1, 400, {}, [], { toString: 1, valueOf: 1 }),
  fc.array(text, { maxLength: 3 }),
  fc.dictionary(text, fc.oneof(text, fc.integer()), { maxKeys: 3 }),
);

function textFor({ schema, itemSchema }: Operation['bodies'][string]): fc.Arbitrary<string> {
  const json = (value: unknown) => JSON.stringify(value) ?? '';
  if (!itemSchema) return valueFor(schema).map(json);
  return fc.array(valueFor(itemSchema), { maxLength: 4 }).map((items) => items.map(json).join('\n'));
}

function valueFor(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  if (depth > depthMax) return anything;
  const good = goodValueFor(schema, depth);
  return fc.oneof({ arbitrary: good, weight: 6 }, { arbitrary: anything, weight: 1 });
}

function goodValueFor(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices?.length) return fc.oneof(...choices.map((choice) => valueFor(choice, depth + 1)));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum?.length) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'object':
      return objectOf(schema, depth);
    case 'array':
      return fc.array(valueFor(schema.items ?? {}, depth + 1), { maxLength: 4 });
    case 'integer':
    case 'number':
      return fc.oneof(fc.integer({ min: -1, max: 1_001 }), fc.double());
    case 'boolean':
      return fc.boolean();
    case 'string': {
      const examples = [
        ...(schema.examples ?? []),
        ...(schema.example === undefined ? [] : [schema.example]),
      ];
      if (schema.format === 'date-time') examples.push('2026-11-22T10:00:00Z', '2026-11-23T10:00:00.5+05:30');
      return examples.length > 0
        ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...examples) }, { weight: 1, arbitrary: text })
        : fc.oneof({ weight: 2, arbitrary: plainText }, { weight: 1, arbitrary: text });
    }
    default:
      return anything;
  }
}

function objectOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const named = Object.entries(schema.properties ?? {}).map(
    ([name, property]) => [name, valueFor(property, depth + 1)] as const,
  );
  const more = Object.values(schema.patternProperties ?? {})[0] ?? schema.additionalProperties;
  const extra = fc.dictionary(text, typeof more === 'object' ? valueFor(more, depth + 1) : anything, {
    maxKeys: 2,
  });
  const members = Object.fromEntries(named);
  const required = (schema.required ?? []).filter((name) => Object.hasOwn(members, name));
  const record = fc.oneof(
    { weight: 4, arbitrary: fc.record(members, { requiredKeys: required }) },
    { weight: 1, arbitrary: fc.record(members, { requiredKeys: [] }) },
  );
  return fc
    .tuple(record, extra, fc.integer({ min: 0, max: 3 }))
    .map(([record, unknown, chance]) =>
      named.length === 0 || chance === 0 ? { ...record, ...unknown } : record,
    );
}

/** Now and then: else every other request would be refused at the door. */
function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

const headers = fc
  .record({
    Accept: rarely(fc.constantFrom('application/json', 'text/csv', 'text/*;q=x', '*/*', 'a/b')),
    Prefer: rarely(
      fc.constantFrom(
        'handling=lenient',
        'return=representation',
        'wait=0',
        'wait=x,=,',
        'handling=lenient, return=representation',
      ),
    ),
    'Content-Encoding': rarely(fc.constantFrom('gzip', 'br', 'zstd', 'deflate', 'identity', 'x')),
    'X-Request-Id': rarely(fc.constantFrom('r-1', 'x'.repeat(200), '"};', '../')),
    'CE-Id': rarely(fc.constantFrom('1', '%ff', '')),
    'CE-SpecVersion': rarely(fc.constantFrom('1.0', '2')),
  })
  .map((record) =>
    Object.fromEntries(
      Object.entries(record).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  );

/** A request of this operation; strings that HTTP can't carry are percent-encoded or left out as a client must. */
export function requestOf(operation: Operation): fc.Arbitrary<FuzzRequest> {
  const parameters = fc.tuple(
    ...operation.parameters.map((parameter) =>
      fc.option(valueFor(parameter.schema ?? {}), { nil: undefined, freq: 3 }),
    ),
  );
  const types = Object.keys(operation.bodies);
  const body =
    types.length === 0
      ? fc.constant({ type: 'application/json', text: undefined as string | undefined })
      : fc.constantFrom(...types).chain((type) =>
          fc
            .oneof(
              {
                weight: 8,
                arbitrary: textFor(operation.bodies[type]!),
              },
              {
                weight: 1,
                arbitrary: fc.constantFrom(
                  '',
                  '{',
                  '[',
                  '"',
                  'null',
                  '[[]]',
                  '\0',
                  '{"a":1e999}',
                  '['.repeat(10_000),
                ),
              },
            )
            .map((content) => ({ type, text: content as string | undefined })),
        );
  const strayType = fc.constantFrom(
    'application/json',
    'text/plain',
    'application/x-ndjson',
    'application/json; charset=x',
  );
  return fc.tuple(parameters, body, headers, rarely(strayType)).map(([values, content, extra, stray]) => {
    let { path } = operation;
    const query: string[] = [];
    operation.parameters.forEach((parameter, index) => {
      const value = values[index];
      if (parameter.in === 'path')
        path = path.replace(`{${parameter.name}}`, encoded(value ?? 'tokens') || 'x');
      else if (value === undefined || parameter.in === 'header') return;
      else if (typeof value === 'object' && value !== null && !Array.isArray(value))
        for (const [key, one] of Object.entries(value))
          query.push(`${parameter.name}[${encoded(key)}]=${encoded(one)}`);
      else
        for (const one of Array.isArray(value) ? value : [value])
          query.push(`${parameter.name}=${encoded(one)}`);
    });
    const isRead = operation.method === 'GET' || operation.method === 'HEAD';
    return {
      method: operation.method,
      target: path.replace(/\{\w+\}/g, 'tokens') + (query.length > 0 ? `?${query.join('&')}` : ''),
      headers: { 'Content-Type': stray ?? content.type, ...extra },
      body: isRead ? undefined : content.text,
    };
  });
}

function encoded(value: unknown): string {
  const plain = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return encodeURIComponent(plain.toWellFormed());
}
