import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import type { Total } from '@usage/db/usage/accumulator.ts';
import type { UsageQuery } from '@usage/db/usage/context.ts';
import { floorTo } from '@usage/db/usage/plan.ts';
import type { UsageTotals } from '@usage/db/usage/readUsage.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import { compareTexts } from '@usage/lib/filter/textFilter.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { topGroups } from './topGroups.ts';

/** One row of an answer. */
export interface AnswerRow {
  fromUs: number;
  toUs: number;
  subject: string | undefined;
  /** Where the query asks for customers. */
  customerId?: string;
  /** In the order of the query's groupBy, without the subject. */
  groups: readonly string[];
  /** All groups beyond topN together; it has no group values. */
  isOther?: boolean;
  value: Decimal;
}

/** What rows are made of. */
interface AnswerTotals extends UsageTotals {
  /** Where windows overlap: their ends, by bucket; the boundaries are their beginnings. */
  ends?: readonly number[];
}

/** Ordered by start, the rest of a topN last, then subject, then group values in the order of groupBy; texts by code point. */
export function toRows(
  meter: StoredMeter,
  query: UsageQuery,
  { boundaries, ends, totals }: AnswerTotals,
  { topN, percentile }: { topN?: number | undefined; percentile?: number | undefined } = {},
): AnswerRow[] {
  const { top, other } =
    topN === undefined ? { top: totals, other: [] } : topGroups(meter, totals, topN, percentile);
  const others = other.map((total) => ({
    ...boundsOf(total, boundaries, ends),
    subject: undefined,
    groups: [],
    value: measuredValue(meter, total, percentile),
    isOther: true,
  }));
  const rows: AnswerRow[] = top.map((total) => {
    const [subject, groups] = query.groupBySubject
      ? [total.key[0], total.key.slice(1)]
      : [undefined, total.key];
    return {
      ...boundsOf(total, boundaries, ends),
      subject,
      groups,
      value: measuredValue(meter, total, percentile),
    };
  });
  return [...rows, ...others].sort(
    (a, b) =>
      a.fromUs - b.fromUs ||
      (ends ? a.toUs - b.toUs : 0) ||
      Number(a.isOther ?? false) - Number(b.isOther ?? false) ||
      compareTexts(a.subject ?? '', b.subject ?? '') ||
      compareLists(a.groups, b.groups),
  );
}

/** The window; without windows the first and the last event's time, rounded outward to the minute. */
function boundsOf({ bucket, cell }: Total, boundaries?: readonly number[], ends?: readonly number[]) {
  if (boundaries)
    return { fromUs: boundaries[bucket - 1]!, toUs: ends ? ends[bucket - 1]! : boundaries[bucket]! };
  return { fromUs: floorTo(cell.firstUs, minuteUs), toUs: floorTo(cell.lastUs, minuteUs) + minuteUs };
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareTexts(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return 0;
}
