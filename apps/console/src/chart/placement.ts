/** Where values stand in a chart, apart from what draws them. */
export interface Placed {
  values: readonly (number | null)[];
  /** A line over the bars: neither stacked nor beside them. */
  dashed?: boolean;
}

/**
 * Each series on top of those before it, the highest first, so that what is drawn later covers the lower part of what was
 * drawn before. Dashed lines stay as they are and come last.
 */
export function stacked<Series extends Placed>(series: readonly Series[]): Series[] {
  const sums: number[] = [];
  const onTop = series
    .filter(({ dashed }) => !dashed)
    .map((one) => ({
      ...one,
      values: one.values.map((value, at) => {
        sums[at] = (sums[at] ?? 0) + (value ?? 0);
        return sums[at];
      }),
    }));
  return [...onTop.reverse(), ...series.filter(({ dashed }) => dashed)];
}

const shareOfStep = 0.8;
const barPxMax = 70;

/** The width of a bar in the unit of the times, where `bars` stand side by side at each; `perPx` of these units are a pixel. */
export function barWidth(times: readonly number[], bars: number, perPx: number): number {
  const steps = times.slice(1).map((time, at) => time - times[at]!);
  const step = steps.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
  return Math.min((step * shareOfStep) / bars, barPxMax * perPx);
}

/** Where bar number `at` of those side by side begins: together they stand around their time. */
export function barStarts(times: readonly number[], at: number, bars: number, width: number): number[] {
  return times.map((time) => time + (at - bars / 2) * width);
}
