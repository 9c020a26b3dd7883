import { compareDecimals, type Decimal, toNumber } from '@usage/lib/decimal/decimal.ts';

/** About 100 bytes each. */
const entriesMax = 1_000_000;
/** Sums of doubles are off by less, however many are added. */
const roundingShare = 1e-6;

/**
 * How much usage may be added before a threshold can be reached that was not reached at the last exact look. What deltas add is
 * taken from it, whether or not the look held them already, so there is never more left than counted here: while something is
 * left nobody has to look. It holds for one watch that sees every delta after its looks: whoever takes the watch over begins
 * with nothing.
 */
export class Headroom {
  readonly #entries = new Map<string, { left: number; token: string; steps: number }>();

  /**
   * After a look: `amount` undefined where no amount reaches anything. `token` names what the look was based on. `steps`: so many
   * thresholds have fired.
   */
  set(key: string, token: string, amount: Decimal | undefined, steps = 0): void {
    this.#entries.delete(key);
    if (this.#entries.size >= entriesMax) this.#entries.delete(this.#entries.keys().next().value!);
    const left =
      amount === undefined ? Number.POSITIVE_INFINITY : toNumber(amount).number * (1 - roundingShare);
    this.#entries.set(key, { left, token, steps });
  }

  /** Takes what was added; false where a look is needed: nothing is left, or nothing is known. */
  take(key: string, token: string, added: number): boolean {
    const entry = this.#entries.get(key);
    if (entry?.token !== token) return false;
    // What no amount reaches stays, also where it can't be said how much was added.
    if (entry.left !== Number.POSITIVE_INFINITY) entry.left -= added;
    return entry.left > 0;
  }

  /** How many thresholds are known to have fired. */
  stepsFired(key: string): number {
    return this.#entries.get(key)?.steps ?? 0;
  }

  drop(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** The least of them; undefined where there is none. */
export function leastOf(amounts: readonly (Decimal | undefined)[]): Decimal | undefined {
  let least: Decimal | undefined;
  for (const amount of amounts)
    if (amount !== undefined && (least === undefined || compareDecimals(amount, least) < 0)) least = amount;
  return least;
}
