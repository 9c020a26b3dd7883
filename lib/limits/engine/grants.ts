import type { Decimal } from '../../decimal/decimal.ts';
import { instantsOf, type Period, type Recurrence } from './recurrence.ts';

/** An amount that usage is taken from, while it is active. Times in µs since 1970. */
export interface Grant {
  id: string;
  amount: Decimal;
  /** 0 to 255; the lowest is used first. */
  priority: number;
  effectiveAtUs: number;
  /** When it ends by itself, exclusive; decides the order too. */
  expiresAtUs: number | undefined;
  /** When somebody ended it. */
  voidedAtUs: number | undefined;
  /** What of its balance a reset leaves: at most `max`, and `min` at least. */
  maxRollover: Decimal;
  minRollover: Decimal;
  /** When its balance becomes its amount again. */
  recurrence: Recurrence | undefined;
  createdAtUs: number;
}

export function endOf({ expiresAtUs, voidedAtUs, effectiveAtUs }: Grant): number {
  const end = Math.min(expiresAtUs ?? Number.POSITIVE_INFINITY, voidedAtUs ?? Number.POSITIVE_INFINITY);
  return Math.max(end, effectiveAtUs);
}

export function isActiveAt(grant: Grant, us: number): boolean {
  return grant.effectiveAtUs <= us && us < endOf(grant);
}

/** The order in which usage is taken from grants: priority, then the earliest expiry, then the oldest. */
export function byBurnOrder(a: Grant, b: Grant): number {
  return (
    a.priority - b.priority ||
    (a.expiresAtUs ?? Number.MAX_VALUE) - (b.expiresAtUs ?? Number.MAX_VALUE) ||
    a.createdAtUs - b.createdAtUs ||
    (a.id < b.id ? -1 : 1)
  );
}

/** When it recurs while it is active, from fromUs to toUs, both included. */
export function recurrencesOf(grant: Grant, fromUs: number, toUs: number): number[] {
  if (!grant.recurrence) return [];
  const since = Math.max(grant.effectiveAtUs, fromUs);
  const until = Math.min(endOf(grant) - 1, toUs);
  return since > until ? [] : instantsOf(grant.recurrence).between(since, until);
}

/** When balances change by themselves next: a reset at the end of the usage period, a grant that begins, ends or recurs. */
export function nextChangeOf(grants: readonly Grant[], period: Period, atUs: number): number {
  let next = period.toUs;
  const consider = (us: number) => {
    if (us > atUs && us < next) next = us;
  };
  for (const grant of grants) {
    consider(grant.effectiveAtUs);
    consider(endOf(grant));
    if (grant.recurrence && isActiveAt(grant, atUs))
      consider(instantsOf(grant.recurrence).periodAt(atUs).toUs);
  }
  return next;
}
