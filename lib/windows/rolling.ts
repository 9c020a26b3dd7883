import { dayUs, hourUs } from './units.ts';

/** How long windows are that end at each step of a query. */
export type RollingLength = { hours: number } | { days: number };

const hoursMax = 8_784;
const daysMax = 3_660;
export const rollingPattern = '^(PT[1-9][0-9]*H|P[1-9][0-9]*D)$';
const form = /^(?:PT([1-9]\d{0,5})H|P([1-9]\d{0,5})D)$/;

/** `PT24H` or `P30D`. Throws an Error that says what is expected. */
export function parseRollingLength(text: string): RollingLength {
  const [, hours, days] = form.exec(text) ?? [];
  if (hours !== undefined && Number(hours) <= hoursMax) return { hours: Number(hours) };
  if (days !== undefined && Number(days) <= daysMax) return { days: Number(days) };
  throw new Error(`must be PT1H to PT${hoursMax}H, or P1D to P${daysMax}D, such as PT24H or P30D`);
}

/** How long it is where the clock is left alone, in µs. */
export function rollingUsTypical(length: RollingLength): number {
  return 'hours' in length ? length.hours * hourUs : length.days * dayUs;
}

/**
 * When a window begins that ends at an instant (µs since 1970): so many hours before, or at the same local time so many days
 * before. Where the clock skipped that time, later by as much as it skipped.
 */
export function rollingStart(endUs: number, length: RollingLength, zone: string): number {
  if ('hours' in length) return endUs - length.hours * hourUs;
  const endMs = Math.floor(endUs / 1_000);
  const start = Temporal.Instant.fromEpochMilliseconds(endMs).toZonedDateTimeISO(zone).subtract(length);
  return start.epochMilliseconds * 1_000 + (endUs - endMs * 1_000);
}
