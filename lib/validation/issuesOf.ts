import { Kind, type TObject, type TSchema } from '@sinclair/typebox';
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value';
import { type Issue, type Read, shownName, within } from './issue.ts';
import { type Judgement, judge, judgedKind } from './judgement.ts';
import { nearestName } from './nearest.ts';

/** The member of an object's schema that says why an unknown member is refused. */
export const unknownReason = Symbol('unknownReason');

/** How many issues are looked for: a body of millions of them must not cost more than one of these. */
const issuesMax = 1_000;

/**
 * Every issue of a value, in the order of the schema; of an object, members that are not known come first. Empty where it is
 * valid. One issue a field, unless a function judges it.
 */
export function issuesOf(schema: TSchema, value: unknown): Issue[] {
  const seen = new Set<string>();
  /** By the object that holds them. */
  const unknown = new Map<string, Issue[]>();
  const known: { parent: string; issues: Issue[] }[] = [];
  for (const error of Value.Errors(schema, value)) {
    if (seen.has(error.path)) continue;
    if (seen.add(error.path).size > issuesMax) break;
    const parent = error.path.slice(0, error.path.lastIndexOf('/'));
    const issues = toIssues(error, fieldOf(error.path, value));
    const isUnknown = error.type === ValueErrorType.ObjectAdditionalProperties;
    if (isUnknown) unknown.set(parent, [...(unknown.get(parent) ?? []), ...issues]);
    known.push({ parent, issues: isUnknown ? [] : issues });
  }
  return known.flatMap(({ parent, issues }) => {
    const first = unknown.get(parent) ?? [];
    unknown.delete(parent);
    return [...first, ...issues];
  });
}

/** Issues of an object's members in the order of its schema; of members that it hasn't first. */
export function inOrderOf(schema: TObject, issues: readonly Issue[]): Issue[] {
  const names = Object.keys(schema.properties);
  const rank = ({ field }: Issue) => names.indexOf(/^[^.[]*/.exec(field)![0]);
  return issues.toSorted((a, b) => rank(a) - rank(b));
}

/** The value as the schema has it, or every issue. */
export function readAs<T>(schema: TSchema, value: unknown): Read<T> {
  const issues = issuesOf(schema, value);
  return issues.length > 0 ? { issues } : { value: value as T };
}

function toIssues(error: ValueError, field: string): Issue[] {
  const judgement = judgementOf(error);
  if (typeof judgement === 'string') return [{ field, reason: judgement }];
  return (judgement ?? []).map((issue) => ({ ...issue, field: within(field, issue.field) }));
}

function judgementOf({ type, schema, path, value, message }: ValueError): Judgement {
  switch (type) {
    case ValueErrorType.ObjectRequiredProperty:
      return 'is required';
    case ValueErrorType.ObjectAdditionalProperties:
      return refusalOf(schema, nameAt(path));
    case ValueErrorType.Object:
      return path === '' ? 'a JSON object is expected' : 'must be an object';
    case ValueErrorType.Array:
    case ValueErrorType.ArrayMinItems:
    case ValueErrorType.ArrayMaxItems:
      return `must be a list${lengthsOf(schema)}`;
    case ValueErrorType.Kind:
      if (schema[Kind] === judgedKind) return (schema as JudgedSchema)[judge](value);
  }
  return `is not valid: ${message}`;
}

type JudgedSchema = TSchema & { [judge]: (value: unknown) => Judgement };

function lengthsOf({ minItems, maxItems }: TSchema): string {
  if (minItems === undefined && maxItems === undefined) return '';
  if (maxItems === undefined) return ` of at least ${minItems}`;
  return minItems === undefined ? ` of at most ${maxItems}` : ` of ${minItems} to ${maxItems}`;
}

function refusalOf(schema: TSchema, name: string): string {
  const own = (schema as { [unknownReason]?: (name: string) => string | undefined })[unknownReason]?.(name);
  return own ?? notKnown(name, Object.keys(schema.properties), 'is not a field that can be set');
}

/** Why a name is refused that is none of these; says which one was probably meant, or which there are. */
export function notKnown(name: string, known: readonly string[], lead = 'is not known'): string {
  const near = nearestName(name, known);
  if (near !== undefined) return `${lead}; did you mean ${near}?`;
  return known.length === 0 ? `${lead}; none is taken here` : `${lead}; known are ${known.join(', ')}`;
}

/** A JSON pointer as a field: `/groupBy/model` as `groupBy.model`, `/2/key` as `[2].key`. */
function fieldOf(path: string, root: unknown): string {
  let value = root;
  let field = '';
  for (const part of path.split('/').slice(1)) {
    const name = unescaped(part);
    field = within(field, Array.isArray(value) ? `[${name}]` : shownName(name));
    value = (value as Record<string, unknown> | null | undefined)?.[name];
  }
  return field;
}

function nameAt(path: string): string {
  return unescaped(path.slice(path.lastIndexOf('/') + 1));
}

function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
