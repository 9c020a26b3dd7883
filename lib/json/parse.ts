/**
 * JSON whose numbers keep every digit. A number that a double can't hold exactly ("12345678901234567890", "1e400")
 * is parsed to a JSON.rawJSON object, which JSON.stringify writes out as it came; all others are plain numbers.
 */

declare global {
  interface JSON {
    rawJSON(text: string): RawNumber;
    isRawJSON(value: unknown): value is RawNumber;
  }
}

export interface RawNumber {
  readonly rawJSON: string;
}

/** A number token of 16 digits or more, or with an exponent of three: the ones worth a slower look. */
const longNumber = /(?:^|[:,[\s])-?\d(?:[\d.]{15}|[\d.]*[eE][+-]?\d{3})/;
const safeDigitsMax = 15;

/** Throws SyntaxError as JSON.parse does. Costs what JSON.parse costs unless the text has a long number. */
export function parseJson(text: string): unknown {
  return longNumber.test(text)
    ? JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown)
    : JSON.parse(text);
}

function keepDigits(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value;
  const { source } = context;
  if (Number.isFinite(value) && source.length <= safeDigitsMax) return value;
  return String(value) === source ? value : JSON.rawJSON(source);
}
