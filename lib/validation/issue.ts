/** One thing that is wrong with a request, and where. */
export interface Issue {
  /** Like `groupBy.model` or `[2].key`; empty when it is the whole. */
  field: string;
  /** Continues the field's name, like `must not be empty`. */
  reason: string;
}

export type Read<T> = { value: T } | { issues: Issue[] };

const shownLengthMax = 64;

/** A name from a request, short enough for an error message, and well-formed. */
export function shownName(name: string): string {
  return name.length <= shownLengthMax
    ? name.toWellFormed()
    : `${name.slice(0, shownLengthMax).toWellFormed()}…`;
}

/** The field of a part within a field. */
export function within(field: string, part: string): string {
  if (field === '' || part.startsWith('[')) return `${field}${part}`;
  return part === '' ? field : `${field}.${part}`;
}
