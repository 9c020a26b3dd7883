import { Kind, type TObject, type TSchema } from '@sinclair/typebox';
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value';
import { type Fault, type Read, shownName, within } from './fault.ts';
import { type Judgement, judge, judgedKind } from './judgement.ts';
import { nearestName } from './nearest.ts';

/** The member of an object's schema that says why an unknown member is refused. */
export const unknownReason = Symbol('unknownReason');

/** How many faults are looked for: a body of millions of them must not cost more than one of these. */
const faultsMax = 1_000;

/**
 * Every fault of a value, in the order of the schema; of an object, members that are not known come first. Empty where it is
 * valid. One fault a field, unless a function judges it.
 */
export function faultsOf(schema: TSchema, value: unknown): Fault[] {
  const seen = new Set<string>();
  /** By the object that holds them. */
  const unknown = new Map<string, Fault[]>();
  const known: { parent: string; faults: Fault[] }[] = [];
  for (const error of Value.Errors(schema, value)) {
    if (seen.has(error.path)) continue;
    if (seen.add(error.path).size > faultsMax) break;
    const parent = error.path.slice(0, error.path.lastIndexOf('/'));
    const faults = toFaults(error, fieldOf(error.path, value));
    const isUnknown = error.type === ValueErrorType.ObjectAdditionalProperties;
    if (isUnknown) unknown.set(parent, [...(unknown.get(parent) ?? []), ...faults]);
    known.push({ parent, faults: isUnknown ? [] : faults });
  }
  return known.flatMap(({ parent, faults }) => {
    const first = unknown.get(parent) ?? [];
    unknown.delete(parent);
    return [...first, ...faults];
  });
}

/** Faults of an object's members in the order of its schema; of members that it hasn't first. */
export function inOrderOf(schema: TObject, faults: readonly Fault[]): Fault[] {
  const names = Object.keys(schema.properties);
  const rank = ({ field }: Fault) => names.indexOf(/^[^.[]*/.exec(field)![0]);
  return faults.toSorted((a, b) => rank(a) - rank(b));
}

/** The value as the schema has it, or every fault. */
export function readAs<T>(schema: TSchema, value: unknown): Read<T> {
  const faults = faultsOf(schema, value);
  return faults.length > 0 ? { faults } : { value: value as T };
}

function toFaults(error: ValueError, field: string): Fault[] {
  const judgement = judgementOf(error);
  if (typeof judgement === 'string') return [{ field, reason: judgement }];
  return (judgement ?? []).map((fault) => ({ ...fault, field: within(field, fault.field) }));
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
