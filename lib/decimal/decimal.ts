/**
 * Exact decimals for sums that a bill is made of. A whole number that JavaScript holds exactly is kept as a number
 * (the common case, and the fast one); everything else as a BigInt coefficient with a scale: 1.25 = 125 / 10^2.
 */
export type Decimal = number | { coefficient: bigint; scale: number };

const numberForm = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d+))?$/;

/** Exponents beyond a double's are refused: no finite value has them, and 1e999999999 would fill the memory. */
const exponentMax = 400;
const digitsMax = 1_000;

/** The exact value of a decimal text ("12", "-0.50", "1e-7"); undefined where it isn't one or is out of bounds. */
export function parseDecimal(text: string): Decimal | undefined {
  return text.length > digitsMax ? undefined : decimalOfText(text);
}

/** The value of a text that formatDecimal or PostgreSQL wrote. Sums, and values written out, may be longer than any taken in. */
export function readDecimal(text: string): Decimal {
  const value = decimalOfText(text);
  if (value === undefined) throw new Error(`not a decimal: ${text.slice(0, 64)}`);
  return value;
}

function decimalOfText(text: string): Decimal | undefined {
  const match = numberForm.exec(text);
  if (!match) return undefined;
  const [, sign, mantissa, exponentText] = match;
  const exponent = Number(exponentText ?? 0);
  if (Math.abs(exponent) > exponentMax) return undefined;
  const point = mantissa!.indexOf('.');
  const digits = mantissa!.replace('.', '');
  const scale = (point < 0 ? 0 : mantissa!.length - point - 1) - exponent;
  const coefficient = BigInt(sign === '-' ? `-${digits}` : digits);
  return scale < 0 ? normalise(coefficient * 10n ** BigInt(-scale), 0) : normalise(coefficient, scale);
}

/** The decimal that a finite JavaScript number prints as: 0.1 is a tenth, not the nearest double to it. */
export function decimalOfNumber(value: number): Decimal {
  if (Number.isSafeInteger(value)) return value + 0;
  return parseDecimal(value.toString())!;
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const x = parts(a);
  const y = parts(b);
  const scale = Math.max(x.scale, y.scale);
  return normalise(scaled(x, scale) + scaled(y, scale), scale);
}

/** a - b. */
export function subtractDecimals(a: Decimal, b: Decimal): Decimal {
  if (typeof b === 'number') return addDecimals(a, 0 - b);
  return addDecimals(a, { coefficient: -b.coefficient, scale: b.scale });
}

/** Negative, zero or positive as a is less than, equal to or greater than b. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const x = parts(a);
  const y = parts(b);
  const scale = Math.max(x.scale, y.scale);
  const difference = scaled(x, scale) - scaled(y, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function negateDecimal(a: Decimal): Decimal {
  return typeof a === 'number' ? 0 - a : { coefficient: -a.coefficient, scale: a.scale };
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product + 0;
  }
  const x = parts(a);
  const y = parts(b);
  return normalise(x.coefficient * y.coefficient, x.scale + y.scale);
}

/** a / b, rounded half away from zero to `fractionDigits` decimals; b is not zero. */
export function divideDecimals(a: Decimal, b: Decimal, fractionDigits: number): Decimal {
  const x = parts(a);
  const y = parts(b);
  const shift = fractionDigits + y.scale - x.scale;
  const numerator = shift >= 0 ? x.coefficient * 10n ** BigInt(shift) : x.coefficient;
  const denominator = shift >= 0 ? y.coefficient : y.coefficient * 10n ** BigInt(-shift);
  const isNegative = numerator < 0n !== denominator < 0n;
  const [above, below] = [magnitude(numerator), magnitude(denominator)];
  const quotient = (above + below / 2n) / below;
  return normalise(isNegative ? -quotient : quotient, fractionDigits);
}

/** The greatest whole number that is not above a. */
export function floorDecimal(a: Decimal): Decimal {
  if (typeof a === 'number') return a;
  const unit = 10n ** BigInt(a.scale);
  const quotient = a.coefficient / unit;
  return normalise(a.coefficient < 0n && a.coefficient % unit !== 0n ? quotient - 1n : quotient, 0);
}

/** How many digits the value is written with. */
export function digitsOf(a: Decimal): number {
  return formatDecimal(a).length;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Plain notation without exponent, trailing zeros or "-0"; PostgreSQL's numeric reads it exactly. */
export function formatDecimal(value: Decimal): string {
  if (typeof value === 'number') return Math.abs(value) < 1e21 ? String(value + 0) : BigInt(value).toString();
  const { coefficient, scale } = value;
  if (scale === 0) return coefficient.toString();
  const negative = coefficient < 0n;
  const digits = (negative ? -coefficient : coefficient).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${negative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The nearest JavaScript number, and whether it is the value itself and not merely near it. */
export function toNumber(value: Decimal): { number: number; exact: boolean } {
  if (typeof value === 'number') return { number: value, exact: true };
  const number = Number(formatDecimal(value));
  const exact = Number.isFinite(number) && compareDecimals(decimalOfNumber(number), value) === 0;
  return { number, exact };
}

function parts(value: Decimal): { coefficient: bigint; scale: number } {
  return typeof value === 'number' ? { coefficient: BigInt(value), scale: 0 } : value;
}

function scaled(value: { coefficient: bigint; scale: number }, scale: number): bigint {
  return value.scale === scale ? value.coefficient : value.coefficient * 10n ** BigInt(scale - value.scale);
}

/** One form for each value: no trailing zeros, safe whole numbers as numbers. */
function normalise(coefficient: bigint, scale: number): Decimal {
  while (scale > 0 && coefficient % 10n === 0n) {
    coefficient /= 10n;
    scale--;
  }
  if (scale === 0) {
    const number = Number(coefficient);
    if (Number.isSafeInteger(number)) return number;
  }
  return { coefficient, scale };
}
