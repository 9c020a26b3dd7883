import type { UsageRow } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { seriesColor, seriesColorsMax } from '../../chart/colors.ts';
import type { ChartSeries } from '../../chart/timeChart.tsx';
import { exactOf, groupOf, otherGroups } from './usage.ts';

export interface ChartData {
  /** ms since 1970 at which windows begin. */
  times: number[];
  series: ChartSeries[];
}

export const groupSeparator = ' · ';

export function groupLabel(group: readonly string[]): string {
  return group.map((value) => value || '(none)').join(groupSeparator);
}

/**
 * One series a group, the largest first; where they are more than there are colours the others are drawn as one, if they
 * add up. Windows without usage lie between those with some: 0 where values add up, a gap elsewhere.
 */
export function chartData(
  rows: readonly UsageRow[],
  groupBy: readonly string[],
  additive: boolean,
  fallbackLabel: string,
): ChartData {
  const times = allTimes(rows);
  const placeOf = new Map(times.map((time, at) => [time, at]));
  const groups = new Map<string, { values: (number | null)[]; texts: (string | undefined)[]; sum: number }>();
  for (const row of rows) {
    const label = row.other
      ? otherGroups
      : groupBy.length > 0
        ? groupLabel(groupOf(row, groupBy))
        : fallbackLabel;
    let group = groups.get(label);
    if (!group) {
      group = { values: times.map(() => (additive ? 0 : null)), texts: [], sum: 0 };
      groups.set(label, group);
    }
    const at = placeOf.get(Date.parse(row.windowStart))!;
    group.values[at] = additive ? (group.values[at] ?? 0) + row.value : row.value;
    group.texts[at] = exactOf(row);
    group.sum += Math.abs(row.value);
  }
  const sorted = [...groups].sort(([, a], [, b]) => b.sum - a.sum);
  const shown = sorted.length > seriesColorsMax ? sorted.slice(0, seriesColorsMax - 1) : sorted;
  const series: ChartSeries[] = shown.map(([label, { values, texts }], at) => ({
    label,
    color: seriesColor(at),
    values,
    textAt: (n) => exactNumber(texts[n] ?? String(values[n] ?? '')),
  }));
  const others = sorted.slice(shown.length);
  if (others.length > 0 && additive) {
    const values = times.map((_, at) => others.reduce((sum, [, group]) => sum + (group.values[at] ?? 0), 0));
    series.push({ label: `${others.length} others`, color: seriesColor(seriesColorsMax - 1), values });
  }
  return { times, series };
}

/** The windows of the rows and those between them, where their distance is even enough to be known. */
function allTimes(rows: readonly UsageRow[]): number[] {
  const times = [...new Set(rows.map((row) => Date.parse(row.windowStart)))].sort((a, b) => a - b);
  const step = rows.reduce(
    (least, row) => Math.min(least, Date.parse(row.windowEnd) - Date.parse(row.windowStart)),
    Number.POSITIVE_INFINITY,
  );
  if (times.length < 2 || !(step > 0) || step > 2 * 86_400_000) return times;
  const filled: number[] = [];
  for (const time of times) {
    const last = filled.at(-1);
    // A day of 23 or 25 hours is a step too.
    for (
      let next = (last ?? time) + step;
      last !== undefined && next <= time - step * 0.9 && filled.length < 20_000;
      next += step
    )
      filled.push(next);
    filled.push(time);
  }
  return filled;
}

/** The time before, drawn over the same windows. */
export function withBefore(data: ChartData, before: readonly UsageRow[], shiftMs: number): ChartData {
  const byTime = new Map(before.map((row) => [Date.parse(row.windowStart) + shiftMs, row]));
  const times = [...new Set([...data.times, ...byTime.keys()])].sort((a, b) => a - b);
  const placed = new Map(data.times.map((time, at) => [time, at]));
  const moved = data.series.map((one) => ({
    ...one,
    values: times.map((time) => (placed.has(time) ? one.values[placed.get(time)!]! : null)),
    textAt: (at: number) => {
      const place = placed.get(times[at]!);
      return place === undefined ? '' : (one.textAt?.(place) ?? exactNumber(String(one.values[place] ?? '')));
    },
  }));
  const earlier: ChartSeries = {
    label: 'the period before, in all',
    color: 'var(--text-3)',
    dashed: true,
    values: times.map((time) => byTime.get(time)?.value ?? null),
    textAt: (at) => exactNumber(exactOf(byTime.get(times[at]!)) ?? ''),
  };
  return { times, series: [...moved, earlier] };
}
