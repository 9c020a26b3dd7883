import { quoted, RowError } from './refusals.ts';

/** How numbers are written in the columns that hold them. */
export interface NumberStyle {
  decimal: '.' | ',';
  /** Between groups of three digits; undefined: there is nothing between them. A blank stands for every kind of blank. */
  thousands: string | undefined;
  /** A sign or an ISO code before or after the number is left off. */
  currency: boolean;
}

const plainNumber = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const currencySign =
  /\p{Sc}|(?<!\p{L})(?:USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|BRL)(?!\p{L})/gu;
const blanks = /[\s\u00a0\u202f\u2009]/g;

/**
 * The number of a cell as JSON writes it ("1234.5"); throws a RowError where it isn't one in this style. What could be read
 * in two ways ("1.234" with a decimal comma) is refused.
 */
export function readNumber(cell: string, column: string, style: NumberStyle): string {
  let text = cell.trim();
  if (style.currency)
    text = text
      .replace(currencySign, '')
      .trim()
      .replace(/^([+-])\s+/, '$1');
  if (text === '') throw new RowError(`column ${quoted(column)} is empty, a number is expected`);
  const { thousands, decimal } = style;
  if (thousands !== undefined) text = withoutGroups(text, thousands, decimal);
  else if (decimal === ',' && text.includes('.')) text = '';
  if (decimal === ',') text = text.replace(',', '.');
  if (plainNumber.test(text)) return normalised(text);
  throw new RowError(
    `column ${quoted(column)}: ${quoted(cell)} is not a number ${described(style)}; ${advice}`,
  );
}

const advice = '--decimal, --thousands and --currency say how numbers are written';

function described({ decimal, thousands, currency }: NumberStyle): string {
  const groups =
    thousands === undefined
      ? 'without signs between thousands'
      : `with ${quoted(thousands)} between thousands`;
  return `with a decimal ${decimal === '.' ? 'point' : 'comma'}, ${groups}${currency ? '' : ' and without currency'}`;
}

/** Groups of three digits, all of them or none; anything else is left as it is, and so isn't a number. */
function withoutGroups(text: string, thousands: string, decimal: string): string {
  const plain = thousands === ' ' ? text.replace(blanks, ' ') : text;
  const [, sign = '', whole = '', rest = ''] =
    new RegExp(`^([+-]?)(.*?)((?:\\${decimal}\\d*)?(?:[eE][+-]?\\d+)?)$`).exec(plain) ?? [];
  if (/^\d+$/.test(whole)) return plain;
  const groups = whole.split(thousands);
  const isGrouped = /^\d{1,3}$/.test(groups[0]!) && groups.slice(1).every((group) => /^\d{3}$/.test(group));
  return isGrouped ? sign + groups.join('') + rest : '';
}

/** JSON has neither `+5` nor `007`, `.5` and `5.`; digits and exponent stay. */
function normalised(text: string): string {
  const [, sign, whole, fraction = '', exponent = ''] = /^([+-]?)(\d*)(?:\.(\d*))?([eE].*)?$/.exec(text)!;
  const digits = whole!.replace(/^0+(?=\d)/, '');
  return `${sign === '-' ? '-' : ''}${digits === '' ? '0' : digits}${fraction === '' ? '' : `.${fraction}`}${exponent}`;
}

const decorated =
  /^[+-]?\(?\s*[+-]?(?:\p{Sc}|USD|EUR|GBP|CHF|JPY)?\s*[+-]?(?:\d{1,3}(?:[,.'’\s\u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?\s*(?:\p{Sc}|%|USD|EUR|GBP|CHF|JPY)?\s*\)?$/u;
const plainText = /^[+-]?\d+(?:\.\d+)?$/;
/** 1.234 and 12.345.678: a number with decimals to one, with thousands to another; 0.123 is the same to both. */
const dotGroups = /^[+-]?[1-9]\d{0,2}(?:\.\d{3})+$/;

/**
 * Why a cell of a column that nothing was said about is not taken: it looks like a number that meters can't read, or that
 * can be read in two ways. undefined: it may go as the text that it is.
 */
export function undecidedNumber(cell: string, column: string, delimiter: string): string | undefined {
  const code = cell.charCodeAt(cell.length - 1);
  // Nearly every text ends in a letter: nothing more to look at.
  if (cell === '' || (code > 64 && code < 128 && !/(?:USD|EUR|GBP|CHF|JPY)$/.test(cell))) return undefined;
  const isAmbiguous = delimiter === ';' && dotGroups.test(cell);
  if (!isAmbiguous && (plainText.test(cell) || !decorated.test(cell) || isVersion(cell))) return undefined;
  return (
    `column ${quoted(column)}: ${quoted(cell)} looks like a number, and it isn't said how it is written: ` +
    `--number ${JSON.stringify(column)} with --decimal, --thousands or --currency, or --text ${JSON.stringify(column)} where it is a text`
  );
}

/** 1.234.567 may be a version: dots alone, more than one of them, are left to the meters. */
function isVersion(cell: string): boolean {
  return /^\d+(?:\.\d+){2,}$/.test(cell);
}
