import { type WindowSize, windowSizes } from '@usage/lib/windows/sizes.ts';
import type { Meter } from '../../api/queries.ts';
import type { UrlState } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import type { ChartKind } from '../../chart/timeChart.tsx';
import { type Range, type RangeName, rangeNames, rangeOf, windowFor } from './range.ts';

/** What Explore shows: all of it lives in the URL. */
export interface ExploreState {
  meter: string | undefined;
  rangeName: RangeName;
  range: Range;
  window: WindowSize;
  zone: string;
  groupBy: string[];
  subjects: string[];
  /** Group-by name to the values that are let through. */
  filters: Record<string, string[]>;
  chart: ChartKind;
  compare: boolean;
  /** Only so many groups, and one for all others; undefined = all. */
  top: number | undefined;
  /** Of a PERCENTILE meter; undefined = the median. */
  percentile: number | undefined;
  /** As of this moment of arrival, RFC 3339; undefined = now. */
  asOf: string | undefined;
}

export const topChoices = [5, 10, 20, 50] as const;
export const percentileChoices = [50, 75, 90, 95, 99, 99.9] as const;

export function stateIn(url: UrlState, nowMs: number): ExploreState {
  const custom = { from: url.get('from'), to: url.get('to') };
  const asked = url.get('range');
  const rangeName = rangeNames.find((name) => name === asked) ?? (custom.from && custom.to ? 'custom' : '7d');
  const window = windowSizes.find((size) => size === url.get('window')) ?? windowFor(rangeName, custom);
  const timeZone = url.get('zone') ?? zone.value;
  const filters: Record<string, string[]> = {};
  for (const text of url.all('filter')) {
    const at = text.indexOf('=');
    const name = text.slice(0, at);
    if (at > 0) filters[name] = [...(filters[name] ?? []), text.slice(at + 1)];
  }
  return {
    meter: url.get('meter'),
    rangeName,
    range: rangeOf(rangeName, window, timeZone, nowMs, custom),
    window,
    zone: timeZone,
    groupBy: url.all('group'),
    subjects: url.all('subject'),
    filters,
    chart: (['line', 'bar', 'stacked'] as const).find((kind) => kind === url.get('chart')) ?? 'bar',
    compare: url.get('compare') === '1',
    top: topChoices.find((count) => String(count) === url.get('top')),
    percentile: percentileChoices.find((one) => String(one) === url.get('percentile')),
    asOf: url.get('asof'),
  };
}

export function filterParameters(filters: ExploreState['filters']): string[] {
  return Object.entries(filters).flatMap(([name, values]) => values.map((value) => `${name}=${value}`));
}

/** The API's body of a query, for these groups and this range; undefined window = totals. */
export function queryBody(
  state: ExploreState,
  of: { window: WindowSize | undefined; groupBy: string[]; range?: Range },
) {
  const { from, to } = of.range ?? state.range;
  const filterGroupBy = state.filters;
  return {
    from,
    to,
    ...(of.window && { windowSize: of.window, windowTimeZone: state.zone }),
    ...(of.groupBy.length > 0 && { groupBy: of.groupBy }),
    ...(of.groupBy.length > 0 && state.top && { topN: state.top }),
    ...(state.percentile && { percentile: state.percentile }),
    ...(state.asOf && { asOf: state.asOf }),
    ...(state.subjects.length > 0 && { subject: state.subjects }),
    ...(Object.keys(filterGroupBy).length > 0 && { filterGroupBy }),
  };
}

/** Whether parts add up to the whole: else an "other" or a sum of windows would be wrong. */
export function isAdditive({ aggregation }: Meter): boolean {
  return ['SUM', 'COUNT', 'WEIGHTED_SUM', 'WEIGHTED_LATEST'].includes(aggregation);
}

/** Whether the groups beyond the largest can be one: distinct values that groups share cannot be added up. */
export function hasTop({ aggregation }: Meter, groupBy: readonly string[]): boolean {
  return groupBy.length > 0 && aggregation !== 'UNIQUE_COUNT';
}
