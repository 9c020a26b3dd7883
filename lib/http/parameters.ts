import type { Static, TObject, TSchema } from '@sinclair/typebox';
import { type Issue, shownName } from '../validation/issue.ts';
import { issuesOf, notKnown } from '../validation/issuesOf.ts';
import { closedObject } from '../validation/schema.ts';
import { invalid } from './invalid.ts';
import { urlOf } from './url.ts';

/**
 * The query of a request: an object's schema says which parameters there are, how each is written and what is valid.
 *
 *   type integer, boolean   as digits; as true or false
 *   type number             as digits with a decimal point
 *   type array              repeated; `separated`: with commas as well
 *   type object             name[key]=value, name[key][key]=value; `jsonText`: JSON
 *   any other               the text that it is
 */

const parametersMax = 1_000;
const nestingMax = 3;

const separator = Symbol('separator');
const asJson = Symbol('asJson');

/** A list that may also be written with commas. */
export function separated<T extends TSchema>(schema: T): T {
  return { ...schema, [separator]: ',' };
}

/** A value that is written as JSON. */
export function jsonText<T extends TSchema>(schema: T): T {
  return { ...schema, [asJson]: true };
}

/** Of a route that takes none. Problems: 400 that names what was given. */
export function readNoParameters(request: Request): void {
  readParameters(noParameters, request);
}

const noParameters = closedObject({});

/** The query as its schema has it. Problems: 400 that names every issue, unknown names with the one that was meant. */
export function readParameters<T extends TObject>(schema: T, request: Request): Static<T> {
  const issues: Issue[] = [];
  const value = membersOf(schema, urlOf(request).searchParams, issues);
  const all = [...issues, ...issuesOf(schema, value)];
  if (all.length > 0) throw invalid('query', all, 'query');
  return value as Static<T>;
}

type Members = Record<string, unknown>;

function membersOf(schema: TObject, query: URLSearchParams, issues: Issue[]): Members {
  if (query.size > parametersMax)
    throw invalid('query', [{ field: '', reason: `has more than ${parametersMax} parameters` }], 'query');
  const given: Members = Object.create(null);
  const names = Object.keys(schema.properties);
  for (const [name, text] of query) {
    const [base, ...keys] = pathOf(name);
    const member = Object.hasOwn(schema.properties, base!) ? schema.properties[base!]! : undefined;
    if (!member || (keys.length > 0 && !isDeep(member))) {
      issues.push({ field: shownName(name), reason: notKnown(base!, names) });
    } else if (keys.length > 0) put(given, [base!, ...keys], text);
    else if (isDeep(member)) {
      issues.push({ field: base!, reason: `is written as ${base}[name]=value` });
    } else if (member.type === 'array') {
      const texts = separator in member ? text.split(',') : [text];
      given[base!] = [...((given[base!] as string[] | undefined) ?? []), ...texts];
    } else if (Object.hasOwn(given, base!)) issues.push({ field: base!, reason: 'is given more than once' });
    else given[base!] = asJson in member ? parsed(base!, text, issues) : text;
  }
  return converted(schema, given) as Members;
}

/** `filter[subject][eq]` as filter, subject, eq; what is not written like this is one name. */
function pathOf(name: string): string[] {
  const [, base, keys] = /^([^[\]]+)((?:\[[^[\]]*\])+)$/s.exec(name) ?? [];
  return base === undefined ? [name] : [base, ...keys!.slice(1, -1).split('][')];
}

function isDeep(schema: TSchema): boolean {
  return schema.type === 'object' && !(asJson in schema);
}

/** A key that is given again makes a list. */
function put(given: Members, [name, ...rest]: string[], text: string): void {
  const before = given[name!];
  if (rest.length === 0 || rest.length > nestingMax) {
    given[name!] = before === undefined ? text : [...(Array.isArray(before) ? before : [before]), text];
    return;
  }
  const nested = typeof before === 'object' && !Array.isArray(before) ? before : Object.create(null);
  given[name!] = nested;
  put(nested as Members, rest, text);
}

/** Texts as numbers and booleans where the schema has such; what is none stays the text, and is refused for it. */
function converted(schema: TSchema, value: unknown): unknown {
  if (schema.type === 'integer')
    return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (schema.type === 'number')
    return typeof value === 'string' && /^\d{1,15}(?:\.\d{1,15})?$/.test(value) ? Number(value) : value;
  if (schema.type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if (schema.type !== 'object' || asJson in schema || !schema.properties) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members: Members = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    const own = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    members[name] = own ? converted(own, member) : member;
  }
  return members;
}

function parsed(field: string, text: string, issues: Issue[]): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    issues.push({ field, reason: `must be JSON: ${(error as Error).message}` });
    return undefined;
  }
}

/** The same parameters as OpenAPI describes them. */
export function describedParameters(schema: TObject) {
  return Object.entries(schema.properties).map(([name, member]) => ({
    in: 'query' as const,
    name,
    required: schema.required?.includes(name) ?? false,
    description: member.description ?? name,
    ...(isDeep(member) ? { style: 'deepObject' as const, explode: true } : {}),
    schema: (asJson in member ? { type: 'string', format: 'json' } : member) as Record<string, unknown>,
    ...(member.examples?.[0] === undefined ? {} : { example: member.examples[0] }),
  }));
}
