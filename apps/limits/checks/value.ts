import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  formatDecimal,
  subtractDecimals,
  toNumber,
} from '@usage/lib/decimal/decimal.ts';
import type { Balance } from './balances.ts';

/** OpenMeter's EntitlementValue, and beyond it what reservations hold. */
export interface EntitlementValue extends Record<string, unknown> {
  hasAccess: boolean;
}

export const noAccess: EntitlementValue = { hasAccess: false };

/** Of an entitlement that is active; of a metered one with its balance and what reservations hold of it. */
export function toValue(
  state: EntitlementState,
  balance: Balance | undefined,
  held: Decimal = 0,
): EntitlementValue {
  const { type, config, isSoftLimit } = state.entitlement;
  if (type === 'boolean') return { hasAccess: true };
  if (type === 'static') return { hasAccess: true, config };
  const left = availableOf(balance!, held);
  return {
    hasAccess: isSoftLimit || compareDecimals(left, 0) > 0,
    ...amount('balance', balance!.balance),
    ...amount('usage', balance!.usage),
    ...amount('overage', balance!.overage),
    ...amount('totalAvailableGrantAmount', addDecimals(balance!.grantUsage, balance!.balance)),
    ...amount('reserved', held),
    ...amount('available', compareDecimals(left, 0) > 0 ? left : 0),
  };
}

/** What may be used or reserved still. Negative where more is used and held than granted. */
export function availableOf({ balance, overage }: Balance, held: Decimal): Decimal {
  return subtractDecimals(subtractDecimals(balance, overage), held);
}

/** `name` is the nearest number; where a double can't hold the exact value, `nameExact` has it as text. */
export function amount(name: string, value: Decimal): Record<string, number | string> {
  const { number, exact } = toNumber(value);
  return exact ? { [name]: number } : { [name]: number, [`${name}Exact`]: formatDecimal(value) };
}
