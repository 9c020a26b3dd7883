import { Problem } from './problem.ts';

/** One thing that is wrong with a request, and where. */
export interface Fault {
  /** Like `groupBy.model`; empty when it is the whole. */
  field: string;
  reason: string;
}

const faultsShownMax = 100;

/** 400 that names every fault, in words and as `extensions.validationErrors`. */
export function invalid(what: string, faults: Fault[]): Problem {
  const shown = faults.slice(0, faultsShownMax);
  const list = shown.map(({ field, reason }) => (field ? `${field} ${reason}` : reason)).join('; ');
  const more = faults.length - shown.length;
  return new Problem(
    'bad_request',
    `The ${what} is not valid: ${list}${more > 0 ? `; and ${more} more` : ''}.`,
    {
      extensions: { validationErrors: shown },
    },
  );
}

/** A whole number from 1 to `max` of a query; adds to `faults` where it is something else. */
export function integerIn(
  query: URLSearchParams,
  field: string,
  fallback: number,
  max: number,
  faults: Fault[],
): number {
  const text = query.get(field);
  if (text === null) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  faults.push({ field, reason: `must be a whole number from 1 to ${max}` });
  return fallback;
}

/** One of `values`; adds to `faults` where it is something else. */
export function oneOf<const T extends string>(
  query: URLSearchParams,
  field: string,
  values: readonly T[],
  fallback: NoInfer<T>,
  faults: Fault[],
): T {
  const text = query.get(field);
  if (text === null) return fallback;
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) faults.push({ field, reason: `must be one of ${values.join(', ')}` });
  return value ?? fallback;
}

/**
 * A path parameter that PostgreSQL can look up. Empty, and so never found, where its percent-encoding is malformed
 * (the router makes it null then) or it holds a NUL, which no stored text has.
 */
export function pathText(parameter: string | null): string {
  return parameter === null || parameter.includes('\0') ? '' : parameter;
}
