import type { Transaction } from '@usage/db/connection/connect.ts';
import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { type Decimal, toNumber } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { type Segment, sum } from '@usage/lib/limits/engine/burnDown.ts';
import { type WindowSize, windowBoundaries } from '@usage/lib/windows/windows.ts';
import { balancesOf } from '../checks/balances.ts';
import { resetsOf } from '../checks/tasks.ts';
import { amount } from '../checks/value.ts';
import { periodWire } from './wire.ts';

export interface HistoryRequest {
  fromUs: number | undefined;
  toUs: number;
  size: WindowSize;
  zone: string;
}

const windowsMax = 5_000;

/** OpenMeter's WindowedBalanceHistory of a metered entitlement. Problems: 400, 503. */
export async function historyOf(
  tx: Transaction,
  state: EntitlementState,
  { fromUs: given, toUs, size, zone }: HistoryRequest,
  runner: UsageRunner,
) {
  const measuredFromUs = state.entitlement.measureUsageFromUs!;
  const fromUs = given ?? resetsOf(state).lastAt(toUs)?.atUs ?? measuredFromUs;
  if (fromUs < measuredFromUs)
    throw new Problem(
      'bad_request',
      `from must not be before ${formatTimeUs(measuredFromUs)}: usage is measured from there on.`,
    );
  if (fromUs >= toUs) throw new Problem('bad_request', 'from must be before to.');
  const boundaries = windowBoundaries({ fromUs, toUs, size, zone });
  const starts = boundaries.slice(0, -1).filter((us) => us >= measuredFromUs);
  if (starts.length > windowsMax)
    throw new Problem('bad_request', `More than ${windowsMax} windows: ask for less time or larger windows.`);
  const beginUs = Math.min(fromUs, starts[0] ?? fromUs);
  const question = { fromUs: beginUs, atUs: toUs, observe: [...starts, fromUs], isNow: false };
  const [balance] = await balancesOf(tx, [state], question, runner);
  const segments = balance!.segments.filter((one) => one.fromUs >= beginUs);
  return {
    windowedHistory: starts.map((startUs, i) => {
      const endUs = boundaries[boundaries.length - starts.length + i]!;
      const within = segments.filter((one) => one.fromUs >= startUs && one.fromUs < endUs);
      return {
        period: periodWire({ fromUs: startUs, toUs: endUs }),
        ...amount('usage', sum(within.map(({ usage }) => usage))),
        ...amount('balanceAtStart', within[0] ? sum(within[0].balancesAtStart.values()) : 0),
      };
    }),
    burndownHistory: joined(segments.filter((one) => one.fromUs >= fromUs)).map(segmentWire),
  };
}

/** Segments that begin only because a window does are one with the segment before. */
function joined(segments: readonly Segment[]): Segment[] {
  const whole: Segment[] = [];
  for (const segment of segments) {
    const before = whole.at(-1);
    if (!before || segment.isChange) whole.push(segment);
    else {
      whole[whole.length - 1] = {
        ...before,
        toUs: segment.toUs,
        balancesAtEnd: segment.balancesAtEnd,
        overage: segment.overage,
        usage: sum([before.usage, segment.usage]),
        grantUsages: addedUsages([...before.grantUsages, ...segment.grantUsages]),
      };
    }
  }
  return whole;
}

function addedUsages(usages: Segment['grantUsages']): Segment['grantUsages'] {
  const byGrant = new Map<string, Decimal>();
  for (const { grantId, usage } of usages) byGrant.set(grantId, sum([byGrant.get(grantId) ?? 0, usage]));
  return [...byGrant].map(([grantId, usage]) => ({ grantId, usage }));
}

function segmentWire(segment: Segment) {
  return {
    period: periodWire(segment),
    ...amount('usage', segment.usage),
    ...amount('overage', segment.overage),
    ...amount('balanceAtStart', sum(segment.balancesAtStart.values())),
    ...amount('balanceAtEnd', sum(segment.balancesAtEnd.values())),
    grantBalancesAtStart: numbers(segment.balancesAtStart),
    grantBalancesAtEnd: numbers(segment.balancesAtEnd),
    grantUsages: segment.grantUsages.map(({ grantId, usage }) => ({ grantId, ...amount('usage', usage) })),
  };
}

function numbers(balances: ReadonlyMap<string, Decimal>): Record<string, number> {
  return Object.fromEntries([...balances].map(([id, value]) => [id, toNumber(value).number]));
}
