import { decimalOfNumber, formatDecimal, parseDecimal } from '../decimal/decimal.ts';

/** The text of a scalar; undefined for objects, arrays, null and what isn't there. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return storable(value);
  if (typeof value === 'number') return formatDecimal(decimalOfNumber(value));
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (JSON.isRawJSON(value)) {
    const exact = parseDecimal(value.rawJSON);
    return exact === undefined ? value.rawJSON : formatDecimal(exact);
  }
  return undefined;
}

const unstorable = /[\0\ud800-\udfff]/;

/** PostgreSQL's text holds neither NUL nor lone surrogates: both become U+FFFD. */
function storable(text: string): string {
  return unstorable.test(text) ? text.toWellFormed().replaceAll('\0', '\ufffd') : text;
}
