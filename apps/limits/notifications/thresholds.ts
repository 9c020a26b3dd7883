import type { Firing } from '@usage/db/notifications/events.ts';
import type { Threshold } from '@usage/db/notifications/rules.ts';
import {
  compareDecimals,
  type Decimal,
  decimalOfNumber,
  divideDecimals,
  multiplyDecimals,
  subtractDecimals,
} from '@usage/lib/decimal/decimal.ts';
import { leastOf } from './headroom.ts';

/** What thresholds are held against. `granted` is what the grants of the period come to; undefined for plain usage. */
export interface Measured {
  usage: Decimal;
  balance: Decimal | undefined;
  granted: Decimal | undefined;
}

export type ThresholdKind = 'usage' | 'balance';

export function kindOf({ type }: Threshold): ThresholdKind {
  return type === 'balance_value' ? 'balance' : 'usage';
}

/** Names a threshold within its rule: one that is changed is another. */
export function keyOf({ type, value }: Threshold): Firing['threshold'] {
  const name = { PERCENT: 'usage_percentage', NUMBER: 'usage_value' }[type as 'PERCENT' | 'NUMBER'] ?? type;
  return `${name} ${value}`;
}

/** "Reached" is ≥, and ≤ of a balance. A share of nothing granted is never reached. */
export function isReached(threshold: Threshold, { usage, balance, granted }: Measured): boolean {
  const value = decimalOfNumber(threshold.value);
  switch (threshold.type) {
    case 'NUMBER':
    case 'usage_value':
      return compareDecimals(usage, value) >= 0;
    case 'PERCENT':
    case 'usage_percentage':
      if (granted === undefined || compareDecimals(granted, 0) <= 0) return false;
      return compareDecimals(multiplyDecimals(usage, 100), multiplyDecimals(value, granted)) >= 0;
    case 'balance_value':
      return balance !== undefined && compareDecimals(balance, value) <= 0;
    default:
      return threshold.type satisfies never;
  }
}

/** Those that are reached, and the least that must be added before another one can be: undefined = nothing reaches any. */
export function heldAgainst(thresholds: readonly Threshold[], measured: Measured) {
  const reached: Threshold[] = [];
  let headroom: Decimal | undefined;
  for (const threshold of thresholds) {
    if (isReached(threshold, measured)) reached.push(threshold);
    else headroom = leastOf([headroom, headroomOf(threshold, measured)]);
  }
  return { reached, headroom };
}

/** What must be added at the least before it can be reached; undefined = no amount reaches it. */
function headroomOf({ type, value: given }: Threshold, measured: Measured): Decimal | undefined {
  const { usage, balance, granted } = measured;
  const value = decimalOfNumber(given);
  switch (type) {
    case 'NUMBER':
    case 'usage_value':
      return subtractDecimals(value, usage);
    case 'PERCENT':
    case 'usage_percentage': {
      if (granted === undefined || compareDecimals(granted, 0) <= 0) return undefined;
      const missing = subtractDecimals(multiplyDecimals(value, granted), multiplyDecimals(usage, 100));
      // Late usage of a period before may take from what is granted now, which counts `value` hundredths of it.
      return divideDecimals(missing, given > 100 ? value : 100, 30);
    }
    case 'balance_value':
      return balance && subtractDecimals(balance, value);
    default:
      return type satisfies never;
  }
}

/** The one that says most: the greatest usage, the least balance. */
export function highest(thresholds: readonly Threshold[], { granted = 0 }: Measured): Threshold {
  return thresholds.reduce((best, one) => (rank(one, granted, best) > 0 ? one : best));
}

/** Positive where `a` says more than `b`; both of one kind. */
function rank(a: Threshold, granted: Decimal, b: Threshold): number {
  const order = compareDecimals(amountTimes100(a, granted), amountTimes100(b, granted));
  return kindOf(a) === 'balance' ? -order : order;
}

function amountTimes100({ type, value }: Threshold, granted: Decimal): Decimal {
  const isShare = type === 'PERCENT' || type === 'usage_percentage';
  return multiplyDecimals(decimalOfNumber(value), isShare ? granted : 100);
}
