import { dayUs, hourUs, minuteUs } from './units.ts';

/** Sizes of windows, the shortest first. Apart from windows.ts, because browsers need these and may lack Temporal. */
export const windowSizes = [
  'MINUTE',
  'PT5M',
  'PT15M',
  'PT30M',
  'HOUR',
  'PT3H',
  'PT6H',
  'PT12H',
  'DAY',
  'WEEK',
  'MONTH',
  'QUARTER',
  'YEAR',
] as const;
export type WindowSize = (typeof windowSizes)[number];

/** How long a window is where the clock is left alone. */
export const windowUsTypical: Readonly<Record<WindowSize, number>> = {
  MINUTE: minuteUs,
  PT5M: 5 * minuteUs,
  PT15M: 15 * minuteUs,
  PT30M: 30 * minuteUs,
  HOUR: hourUs,
  PT3H: 3 * hourUs,
  PT6H: 6 * hourUs,
  PT12H: 12 * hourUs,
  DAY: dayUs,
  WEEK: 7 * dayUs,
  MONTH: 30 * dayUs,
  QUARTER: 91 * dayUs,
  YEAR: 365 * dayUs,
};
