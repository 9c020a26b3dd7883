import { addDecimals, compareDecimals, type Decimal, subtractDecimals } from '@usage/lib/decimal/decimal.ts';

/** Balances worked out hour by hour and event by event, with nothing but the rules: slow, and simple to read. */

export interface OracleGrant {
  id: string;
  amount: Decimal;
  priority: number;
  /** Hours. */
  from: number;
  expires: number | undefined;
  voided: number | undefined;
  max: Decimal;
  min: Decimal;
  /** Hours between recurrences, counted from `from`. */
  every: number | undefined;
  created: number;
}

export interface OracleCase {
  grants: OracleGrant[];
  /** Hours between resets, from 0 on. */
  resetEvery: number;
  manualResets: { at: number; preserveOverage: boolean }[];
  preserveOverage: boolean;
  /** At a full hour and some minutes. */
  usage: { at: number; amount: Decimal }[];
}

export interface OracleAnswer {
  balances: Map<string, Decimal>;
  overage: Decimal;
  usage: Decimal;
}

/** At the full hour `until`: usage before it counts, and changes at it have happened. */
export function oracle(
  { grants, resetEvery, manualResets, preserveOverage, usage }: OracleCase,
  until: number,
): OracleAnswer {
  const balances = new Map<string, Decimal>();
  let overage: Decimal = 0;
  let used: Decimal = 0;
  const cover = (active: OracleGrant[], wanted: Decimal): Decimal => {
    let left = wanted;
    for (const { id } of active) {
      const taken = compareDecimals(balances.get(id)!, left) < 0 ? balances.get(id)! : left;
      balances.set(id, subtractDecimals(balances.get(id)!, taken));
      left = subtractDecimals(left, taken);
    }
    return left;
  };
  for (let hour = 0; hour <= until; hour++) {
    const active = grants
      .filter(({ from, expires = 1e9, voided = 1e9 }) => from <= hour && hour < expires && hour < voided)
      .sort(
        (a, b) => a.priority - b.priority || (a.expires ?? 1e9) - (b.expires ?? 1e9) || a.created - b.created,
      );
    for (const id of [...balances.keys()]) if (!active.some((grant) => grant.id === id)) balances.delete(id);
    const manual = manualResets.find(({ at }) => at === hour);
    const isReset = hour > 0 && (manual !== undefined || hour % resetEvery === 0);
    if (isReset) {
      used = 0;
      if (!(manual?.preserveOverage ?? preserveOverage)) overage = 0;
    }
    for (const { id, amount, from, every, max, min } of active) {
      if (hour === from || (every !== undefined && (hour - from) % every === 0)) balances.set(id, amount);
      else if (isReset) {
        const atLeast = compareDecimals(balances.get(id)!, min) < 0 ? min : balances.get(id)!;
        balances.set(id, compareDecimals(atLeast, max) > 0 ? max : atLeast);
      }
    }
    overage = cover(active, overage);
    if (hour === until) break;
    for (const { amount } of usage.filter(({ at }) => Math.floor(at) === hour)) {
      used = addDecimals(used, amount);
      overage = addDecimals(overage, cover(active, amount));
    }
  }
  return { balances, overage, usage: used };
}
