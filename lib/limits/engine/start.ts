import { compareDecimals } from '../../decimal/decimal.ts';
import type { BurnDownInput } from './burnDown.ts';
import { type Grant, isActiveAt } from './grants.ts';
import type { Reset, Resets } from './usagePeriods.ts';

/** Resets looked at for one after which the balances are known, before everything is read from the beginning. */
const resetsLookedAtMax = 1_000;

/**
 * Where to begin, so that the balances at `atUs` come out right and as little usage as possible is read: at the last reset,
 * not after `beginUs`, that leaves nothing to usage, because every grant that goes on over it begins anew with a fixed
 * amount and no overage is kept. Else at the beginning of the entitlement.
 */
export function burnDownInput(
  grants: readonly Grant[],
  resets: Resets,
  kind: BurnDownInput['kind'],
  { beginUs, untilUs }: { beginUs: number; untilUs: number },
): BurnDownInput {
  const { startUs: firstUs } = resets.periods;
  let reset = resets.lastAt(beginUs);
  for (let looked = 0; reset && looked < resetsLookedAtMax; looked++) {
    if (isKnownAfter(reset, grants, kind)) break;
    reset = resets.before(reset.atUs);
  }
  const known = reset && reset.atUs > firstUs && isKnownAfter(reset, grants, kind) ? reset : undefined;
  const startUs = known?.atUs ?? firstUs;
  return {
    grants,
    startUs,
    startsWithReset: known !== undefined,
    untilUs: Math.max(untilUs, startUs),
    resets: resets.between(startUs, untilUs),
    kind,
  };
}

function isKnownAfter(
  { atUs, preserveOverage }: Reset,
  grants: readonly Grant[],
  kind: BurnDownInput['kind'],
): boolean {
  if (kind === 'level') return true;
  if (preserveOverage) return false;
  return grants.every(
    (grant) =>
      grant.effectiveAtUs >= atUs ||
      !isActiveAt(grant, atUs) ||
      (compareDecimals(grant.minRollover, grant.maxRollover) >= 0 &&
        compareDecimals(grant.minRollover, 0) >= 0),
  );
}
