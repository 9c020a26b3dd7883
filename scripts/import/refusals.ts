/** A file that can't be taken as it is: the message says where, what is wrong, and what to do. Nothing of it is sent. */
export class Refusal extends Error {
  override name = 'Refusal';
}

/** A row that can't be taken, with a reason that says what to do; `line` is its first line in the file, from 1. */
export interface RefusedRow {
  line: number;
  reason: string;
}

export function isRefused(item: object): item is RefusedRow {
  return 'reason' in item;
}

/** Thrown while a row is read; whoever reads the rows makes a RefusedRow of it. */
export class RowError extends Error {
  override name = 'RowError';
}

/** As a message quotes it: on one line, not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…`.toWellFormed() : text);
}
