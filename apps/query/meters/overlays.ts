import type { Static } from '@sinclair/typebox';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import type { MeterQueryBody } from '@usage/lib/queryApi/meterQuery.ts';
import type { Issue } from '@usage/lib/validation/issue.ts';
import { type WindowSize, windowUsTypical } from '@usage/lib/windows/windows.ts';

/** What is wrong with a query that asks for percentiles of windows, or for rolling windows: they need more beside them. */
export function overlayIssues(given: Static<typeof MeterQueryBody>): Issue[] {
  const { percentile, percentileWindow, rollingWindow, windowSize, from, topN } = given;
  const issues: Issue[] = [];
  const add = (field: string, isWrong: boolean, reason: string) => {
    if (isWrong) issues.push({ field, reason });
  };
  if (percentileWindow) {
    add('percentileWindow', percentile === undefined, 'needs percentile: which one of the windows?');
    const isShorter = !windowSize || windowUsTypical[percentileWindow] < windowUsTypical[windowSize];
    add('percentileWindow', !isShorter, 'must be shorter than windowSize');
    add('percentileWindow', rollingWindow !== undefined, 'cannot be used together with rollingWindow');
  }
  if (rollingWindow) add('rollingWindow', !windowSize, 'needs a windowSize: at which steps do windows end?');
  for (const field of ['percentileWindow', 'rollingWindow'] as const) {
    if (given[field] === undefined) continue;
    add(field, from === undefined, 'needs from');
    add(field, topN !== undefined, 'cannot be used together with topN');
  }
  return issues;
}

/** What is wrong with a query that asks for a page. */
export function pageIssues({ limit, cursor, rollingWindow }: Static<typeof MeterQueryBody>): Issue[] {
  const issues: Issue[] = [];
  if (cursor !== undefined && limit === undefined)
    issues.push({ field: 'cursor', reason: 'needs a limit: how many rows?' });
  // Its last window ends at the present, and is another one in the next page.
  if (limit !== undefined && rollingWindow !== undefined)
    issues.push({ field: 'limit', reason: 'cannot be used together with rollingWindow' });
  return issues;
}

/** Percentiles are of the values of a PERCENTILE meter, or of windows of what adds up. */
export function percentileIssues(
  meter: StoredMeter,
  {
    percentile,
    percentileWindow,
  }: { percentile: number | undefined; percentileWindow?: WindowSize | undefined },
): Issue[] {
  const what = `${meter.slug} is a ${meter.aggregation}`;
  const adds = meter.aggregation === 'SUM' || meter.aggregation === 'COUNT';
  if (percentileWindow)
    return adds ? [] : [{ field: 'percentileWindow', reason: `is for SUM and COUNT meters, and ${what}` }];
  if (percentile === undefined || meter.aggregation === 'PERCENTILE') return [];
  const more = adds ? '; of windows, name their size in percentileWindow' : '';
  return [{ field: 'percentile', reason: `is for PERCENTILE meters, and ${what}${more}` }];
}
