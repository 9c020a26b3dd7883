import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import type { UsageRow } from '../../api/queries.ts';
import { rangeBefore } from './range.ts';
import { type ExploreState, queryBody } from './state.ts';

type Body = ReturnType<typeof queryBody>;

function useUsage(meter: string | undefined, body: Body | undefined) {
  return useQuery({
    queryKey: ['usage', meter, body],
    enabled: meter !== undefined && body !== undefined,
    queryFn: async ({ signal }) => {
      const params = { path: { meterIdOrSlug: meter! } };
      return (await dataOf(api.POST('/api/v1/meters/{meterIdOrSlug}/query', { params, body: body!, signal })))
        .data;
    },
    placeholderData: keepPreviousData,
  });
}

/** What the page asks: by window and group, by group, in all, and the time before. */
export function useExplored(state: ExploreState) {
  const { meter, window, groupBy } = state;
  const before = state.compare ? rangeBefore(state.range, state.rangeName, state.zone) : undefined;
  return {
    windows: useUsage(meter, queryBody(state, { window, groupBy })),
    groups: useUsage(
      groupBy.length > 0 ? meter : undefined,
      queryBody(state, { window: undefined, groupBy }),
    ),
    total: useUsage(meter, queryBody(state, { window: undefined, groupBy: [] })),
    totalBefore: useUsage(
      meter,
      before && queryBody(state, { window: undefined, groupBy: [], range: before }),
    ),
    windowsBefore: useUsage(meter, before && queryBody(state, { window, groupBy: [], range: before })),
    before,
  };
}

/** The exact value, as a text. */
export function exactOf(row: UsageRow | undefined): string | undefined {
  return row && (row.valueExact ?? String(row.value));
}

export const otherGroups = 'all others';

/** Subjects make rows of their own even where nothing groups by them: the total of several is asked for as one. */
export function groupOf(row: UsageRow, groupBy: readonly string[]): string[] {
  if (row.other) return groupBy.map((_, at) => (at === 0 ? otherGroups : ''));
  return groupBy.map((name) => (name === 'subject' ? (row.subject ?? '') : (row.groupBy?.[name] ?? '')));
}

/** The values of the windows in their order: for drawing. */
export function sumOfRows(rows: readonly UsageRow[]): number[] {
  const byTime = new Map<string, number>();
  for (const { windowStart, value } of rows) byTime.set(windowStart, (byTime.get(windowStart) ?? 0) + value);
  return [...byTime].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}
