import {
  Kind,
  type SchemaOptions,
  type Static,
  type TObject,
  type TProperties,
  type TSchema,
  type TUnsafe,
  Type,
  TypeRegistry,
} from '@sinclair/typebox';
import { timeIssue } from '../event/time.ts';
import { type Issue, shownName, within } from './issue.ts';
import { issuesOf, unknownReason } from './issuesOf.ts';
import { type Judgement, judge, judgedKind } from './judgement.ts';
import { nearestName } from './nearest.ts';
import { isJsonObject, textIssue } from './text.ts';

/**
 * The schemas of requests: each is what /swagger shows, and what a value is held against (issuesOf.ts). Where JSON Schema
 * can't say it all, a function judges the value, and says what is wrong in words that continue the field's name.
 */
export function judged<T>(shown: SchemaOptions, judgeValue: (value: unknown) => Judgement): TUnsafe<T> {
  return Type.Unsafe<T>({ ...shown, [Kind]: judgedKind, [judge]: judgeValue });
}

TypeRegistry.Set<Record<symbol, (value: unknown) => Judgement>>(judgedKind, (schema, value) => {
  const found = schema[judge]!(value);
  return found === undefined || (typeof found !== 'string' && found.length === 0);
});

interface TextOptions extends SchemaOptions {
  minLength?: number;
  /** In Unicode characters. */
  maxLength: number;
  bytesMax?: number;
  /** What else is wrong with a text of this length; undefined where nothing is. */
  issue?: (text: string) => string | undefined;
}

/** A text that PostgreSQL can store. */
export function text({ minLength = 0, maxLength, bytesMax, issue, ...shown }: TextOptions): TUnsafe<string> {
  const length = { min: minLength, max: maxLength };
  return judged<string>({ type: 'string', minLength, maxLength, ...shown }, (value) => {
    const found = textIssue(value, length);
    if (found) return found;
    if (bytesMax !== undefined && Buffer.byteLength(value as string) > bytesMax)
      return `must not be longer than ${bytesMax} bytes`;
    return issue?.(value as string);
  });
}

/** An RFC 3339 time from 1970 to 2199; it stays the text it is. */
export function time(description: string, shown: SchemaOptions = {}): TUnsafe<string> {
  return judged<string>({ type: 'string', format: 'date-time', description, ...shown }, (value) =>
    typeof value === 'string' ? timeIssue(value) : 'expected an RFC 3339 time',
  );
}

export function wholeNumber(
  { minimum, maximum }: { minimum: number; maximum: number },
  shown: SchemaOptions = {},
): TUnsafe<number> {
  return judged<number>({ type: 'integer', minimum, maximum, ...shown }, (value) =>
    Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
      ? undefined
      : `must be a whole number from ${minimum} to ${maximum}`,
  );
}

/** A number of at most so many decimals. */
export function decimalNumber(
  { above, maximum, decimals }: { above: number; maximum: number; decimals: number },
  shown: SchemaOptions = {},
): TUnsafe<number> {
  const unit = 10 ** decimals;
  return judged<number>({ type: 'number', exclusiveMinimum: above, maximum, ...shown }, (value) =>
    typeof value === 'number' &&
    value > above &&
    value <= maximum &&
    Math.round(value * unit) / unit === value
      ? undefined
      : `must be a number above ${above}, at most ${maximum}, of at most ${decimals} decimals`,
  );
}

export function flag(shown: SchemaOptions = {}): TUnsafe<boolean> {
  return judged<boolean>({ type: 'boolean', ...shown }, (value) =>
    typeof value === 'boolean' ? undefined : 'must be true or false',
  );
}

/** One of these texts. */
export function choice<const T extends string>(values: readonly T[], shown: SchemaOptions = {}): TUnsafe<T> {
  return judged<T>({ type: 'string', enum: [...values], ...shown }, (value) => {
    if ((values as readonly unknown[]).includes(value)) return undefined;
    const near = typeof value === 'string' ? nearestName(value, values) : undefined;
    return `must be one of ${values.join(', ')}${near ? `; did you mean ${near}?` : ''}`;
  });
}

/** An object with these members and no other. `unknown` says why another one is refused, where it knows better. */
export function closedObject<T extends TProperties>(
  members: T,
  { unknown, ...shown }: SchemaOptions & { unknown?: (name: string) => string | undefined } = {},
): TObject<T> {
  return Type.Object(members, {
    additionalProperties: false,
    ...shown,
    ...(unknown && { [unknownReason]: unknown }),
  });
}

interface DictionaryOptions extends SchemaOptions {
  entriesMax: number;
  /** What the entries are called in messages. */
  entries: string;
  nameIssue?: (name: string) => string | undefined;
}

/** An object whose names the client chooses. */
export function dictionary<T extends TSchema>(
  value: T,
  { entriesMax, entries, nameIssue, ...shown }: DictionaryOptions,
): TUnsafe<Record<string, Static<T>>> {
  const schema = { type: 'object', additionalProperties: value, maxProperties: entriesMax, ...shown };
  return judged<Record<string, Static<T>>>(schema, (given) => {
    if (!isJsonObject(given)) return `expected an object of ${entries}`;
    const members = Object.entries(given);
    if (members.length > entriesMax) return `must not have more than ${entriesMax} ${entries}`;
    return members.flatMap(([name, one]): Issue[] => {
      // A name that can't be shown is an issue of the object itself.
      const field = name.isWellFormed() && !name.includes('\0') ? shownName(name) : '';
      const reason = nameIssue?.(name);
      const own = reason === undefined ? [] : [{ field, reason }];
      return [
        ...own,
        ...issuesOf(value, one).map((issue) => ({ ...issue, field: within(field, issue.field) })),
      ];
    });
  });
}

/** The schema, or null. */
export function nullable<T extends TSchema>(schema: T): TUnsafe<Static<T> | null> {
  return judged<Static<T> | null>({ ...schema, nullable: true }, (value) =>
    value === null ? undefined : issuesOf(schema, value),
  );
}

/**
 * Without the members that are null: for bodies in which null is the same as left out. Members that narrow what the request is
 * about keep their null, which their schema refuses: somebody who has no subject does not ask for everybody's.
 */
export function withoutNulls(value: unknown, narrowing: readonly string[] = []): unknown {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([name, member]) => member !== null || narrowing.includes(name)),
  );
}
