import { parseJson } from '@usage/lib/json/parse.ts';

/**
 * JSON.parse for answers of the API: a number that a double does not hold stays its text (JSON.rawJSON), so that
 * JSON.stringify shows each digit as it came. Browsers without rawJSON show the nearest double.
 */
export function parseExact(text: string): unknown {
  const isKnown = (JSON as { rawJSON?: unknown }).rawJSON !== undefined;
  return isKnown ? parseJson(text) : JSON.parse(text);
}
