import { type Decimal, decimalOfNumber, parseDecimal } from '../decimal/decimal.ts';

const quotedLengthMax = 64;

/** A finite number, or a text that is one; else the reason. */
export function decimalOf(raw: unknown): Decimal | string {
  if (typeof raw === 'number') return decimalOfNumber(raw);
  const text = typeof raw === 'string' ? raw : JSON.isRawJSON(raw) ? raw.rawJSON : undefined;
  if (text === undefined) return `unsupported value property type: ${typeName(raw)}`;
  if (/^[+-]?nan$/i.test(text)) return 'value cannot be NaN';
  if (/^[+-]?inf(inity)?$/i.test(text)) return 'value cannot be infinity';
  const value = parseDecimal(text);
  if (value === undefined) {
    return Number.isNaN(Number(text)) || text.trim() === ''
      ? `value cannot be parsed as a number: ${text.slice(0, quotedLengthMax)}`
      : 'value has too many digits or too large an exponent';
  }
  return Number.isFinite(Number(text)) ? value : 'value cannot be infinity';
}

export function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}
