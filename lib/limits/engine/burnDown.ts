import { addDecimals, compareDecimals, type Decimal, subtractDecimals } from '../../decimal/decimal.ts';
import { byBurnOrder, endOf, type Grant, isActiveAt, recurrencesOf } from './grants.ts';
import type { Reset } from './usagePeriods.ts';

/**
 * What is left of grants after usage. Time is cut into phases where something changes: a reset, a grant that begins, ends or
 * recurs. Within a phase, usage is taken from the grants that are active in the order of `byBurnOrder`; what they don't cover
 * is overage, which the grants of later phases cover until a reset.
 *
 * First `planPhases` says which ranges of time the usage must be known for, then `burnDown` takes it from the grants: neither
 * reads anything. All amounts are exact.
 */
export interface BurnDownInput {
  grants: readonly Grant[];
  /** Nothing is left over from before: the beginning of an entitlement, or a reset after which the balances are known. */
  startUs: number;
  startsWithReset: boolean;
  untilUs: number;
  /** After startUs, up to and including untilUs; ascending. */
  resets: readonly Reset[];
  /** 'flow': usage of phases adds up. 'level': a phase's usage is the value at its end, and is held against full grants. */
  kind: 'flow' | 'level';
}

export interface Phase {
  fromUs: number;
  toUs: number;
  reset: Reset | undefined;
  recurring: ReadonlySet<string>;
  /** False where it begins only because the balance there is wanted. */
  isChange: boolean;
}

export interface GrantUsage {
  grantId: string;
  usage: Decimal;
}

export interface Segment extends Phase {
  balancesAtStart: ReadonlyMap<string, Decimal>;
  balancesAtEnd: ReadonlyMap<string, Decimal>;
  overageAtStart: Decimal;
  overage: Decimal;
  usage: Decimal;
  grantUsages: readonly GrantUsage[];
}

export interface BurnDown {
  /** By grant; of those that were active at some time. */
  balances: ReadonlyMap<string, Decimal>;
  balance: Decimal;
  overage: Decimal;
  /** Since the last reset. */
  usage: Decimal;
  /** Taken from grants since the last reset. */
  grantUsage: Decimal;
  segments: readonly Segment[];
}

/**
 * Ends with a phase of no length where something changes at untilUs itself. A phase begins at the instants of `observe` too,
 * where nothing changes, so that the balances there are known.
 */
export function planPhases(
  { grants, startUs, untilUs, resets, startsWithReset }: BurnDownInput,
  observe: readonly number[] = [],
): Phase[] {
  const changes = new Map<number, { reset: Reset | undefined; recurring: Set<string> }>();
  const at = (us: number) => {
    let change = changes.get(us);
    if (!change) {
      change = { reset: undefined, recurring: new Set() };
      changes.set(us, change);
    }
    return change;
  };
  at(startUs).reset = startsWithReset ? { atUs: startUs, preserveOverage: false } : undefined;
  for (const reset of resets) at(reset.atUs).reset = reset;
  for (const grant of grants) {
    for (const us of [grant.effectiveAtUs, endOf(grant)]) if (us >= startUs && us <= untilUs) at(us);
    for (const us of recurrencesOf(grant, startUs, untilUs)) at(us).recurring.add(grant.id);
  }
  const observed = observe.filter((us) => us >= startUs && us < untilUs && !changes.has(us));
  const instants = [...changes.keys(), ...new Set(observed)].sort((a, b) => a - b);
  const nothing = { reset: undefined, recurring: new Set<string>() };
  return instants.map((fromUs, i) => ({
    fromUs,
    toUs: instants[i + 1] ?? untilUs,
    ...(changes.get(fromUs) ?? nothing),
    isChange: changes.has(fromUs),
  }));
}

/** `usages` are those of the phases: of a 'level', the value at the phase's end. */
export function burnDown(
  input: BurnDownInput,
  phases: readonly Phase[],
  usages: readonly Decimal[],
): BurnDown {
  const ordered = [...input.grants].sort(byBurnOrder);
  let balances = new Map<string, Decimal>();
  let overage: Decimal = 0;
  let usageInPeriod: Decimal = 0;
  let grantUsage: Decimal = 0;
  const segments: Segment[] = [];
  for (const [i, phase] of phases.entries()) {
    const active = ordered.filter((grant) => isActiveAt(grant, phase.fromUs));
    if (phase.reset) {
      usageInPeriod = 0;
      grantUsage = 0;
      if (!phase.reset.preserveOverage) overage = 0;
    }
    balances = balancesAtStart(input.kind, active, balances, phase);
    const usage = usages[i]!;
    const carried = input.kind === 'level' ? 0 : overage;
    const taken = takeFrom(active, balances, addDecimals(usage, carried));
    segments.push({
      ...phase,
      balancesAtStart: balances,
      balancesAtEnd: taken.balances,
      overageAtStart: carried,
      overage: taken.overage,
      usage,
      grantUsages: taken.grantUsages,
    });
    balances = taken.balances;
    overage = taken.overage;
    const takenNow = sum(taken.grantUsages.map((one) => one.usage));
    usageInPeriod = input.kind === 'level' ? usage : addDecimals(usageInPeriod, usage);
    grantUsage = input.kind === 'level' ? takenNow : addDecimals(grantUsage, takenNow);
  }
  return { balances, balance: sum(balances.values()), overage, usage: usageInPeriod, grantUsage, segments };
}

/** Of the active grants: one that begins or recurs has its amount, a reset leaves what the grant's rollover says. */
function balancesAtStart(
  kind: BurnDownInput['kind'],
  active: readonly Grant[],
  before: ReadonlyMap<string, Decimal>,
  { fromUs, reset, recurring }: Phase,
): Map<string, Decimal> {
  return new Map(
    active.map((grant) => {
      const { id, amount } = grant;
      if (kind === 'level' || grant.effectiveAtUs === fromUs || recurring.has(id)) return [id, amount];
      // A grant that began before the beginning has all of its amount still.
      const left = before.get(id) ?? amount;
      return [id, reset ? rolledOver(grant, left) : left];
    }),
  );
}

export function rolledOver({ maxRollover, minRollover }: Grant, left: Decimal): Decimal {
  const atLeast = compareDecimals(left, minRollover) < 0 ? minRollover : left;
  return compareDecimals(atLeast, maxRollover) > 0 ? maxRollover : atLeast;
}

function takeFrom(active: readonly Grant[], balances: ReadonlyMap<string, Decimal>, usage: Decimal) {
  const left = new Map(balances);
  const grantUsages: GrantUsage[] = [];
  let wanted = usage;
  for (const { id } of active) {
    const balance = left.get(id)!;
    if (balance === 0) continue;
    const taken = compareDecimals(balance, wanted) <= 0 ? balance : wanted;
    if (taken === 0) continue;
    left.set(id, subtractDecimals(balance, taken));
    wanted = subtractDecimals(wanted, taken);
    grantUsages.push({ grantId: id, usage: taken });
  }
  return { balances: left, grantUsages, overage: wanted };
}

export function sum(values: Iterable<Decimal>): Decimal {
  let total: Decimal = 0;
  for (const value of values) total = addDecimals(total, value);
  return total;
}
