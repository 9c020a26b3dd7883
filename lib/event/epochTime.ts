const numberForm = /^\d+(?:\.\d+)?$/;

/** Seconds, ms, µs and ns since 1970 by their size, which leaves no doubt from 2001 to 2199. */
const epochUnits: readonly [from: bigint, to: bigint, digits: number][] = [
  [100_000_000n, 7_258_118_400n, 0],
  [1_000_000_000_000n, 7_258_118_400_000n, 3],
  [1_000_000_000_000_000n, 7_258_118_400_000_000n, 6],
  [1_000_000_000_000_000_000n, 7_258_118_400_000_000_000n, 9],
];

export const epochRange = 'seconds, ms, µs or ns since 1970 in the years 1973 (ms: 2001) to 2199';

/** Whether the text is a plain number, which can only be a time since 1970. */
export function isEpochText(text: string): boolean {
  return numberForm.test(text);
}

/** A number of seconds, ms, µs or ns since 1970 as RFC 3339, every digit kept; undefined where it is none of these. */
export function epochTime(text: string): string | undefined {
  if (!isEpochText(text)) return undefined;
  const [whole = '', fraction = ''] = text.split('.');
  const value = BigInt(whole);
  const unit = epochUnits.find(([from, to]) => value >= from && value < to);
  if (!unit) return undefined;
  const digits = unit[2];
  const scale = 10n ** BigInt(digits);
  const seconds = new Date(Number(value / scale) * 1_000).toISOString().slice(0, 19);
  const part = (digits === 0 ? '' : String(value % scale).padStart(digits, '0')) + fraction;
  return `${seconds}${/[1-9]/.test(part) ? `.${part}` : ''}Z`;
}
