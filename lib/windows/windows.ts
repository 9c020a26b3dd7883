import { dayUs, hourUs, minuteUs } from './units.ts';

/**
 * Windows as lists of boundaries. A list b0 < b1 < … of instants in µs since 1970 cuts time into the windows
 * [b0, b1), [b1, b2), …, so whoever sums by window needs a binary search and no calendar.
 *
 *   DAY, MONTH    begin at the first instant of the local date. A date that the zone skips has no window; where the
 *                 clock is set back across midnight, the window of the new date begins when the date is first shown.
 *   HOUR, MINUTE  begin where the local wall clock stands on the full hour or minute. An hour that is repeated is
 *                 two windows where the offsets differ by a whole hour; Lord Howe's half-hour change makes hours of
 *                 90 and 30 minutes. Where the clock jumps over a full hour, the next window begins at the jump.
 */
export const windowSizes = ['MINUTE', 'HOUR', 'DAY', 'MONTH'] as const;
export type WindowSize = (typeof windowSizes)[number];

export interface WindowRange {
  fromUs: number;
  toUs: number;
  size: WindowSize;
  /** IANA name, or a fixed offset such as +05:30. */
  zone: string;
}

/**
 * More than a month of minutes (44,640) or five years of hours (43,848). An answer with that many rows is 8 MB of
 * JSON, and the boundaries are a parameter of every statement.
 */
export const windowsMax = 50_000;

export class WindowsError extends Error {
  constructor(
    readonly code: 'unknown_zone' | 'too_many_windows',
    message: string,
  ) {
    super(message);
    this.name = 'WindowsError';
  }
}

/** How long a window is where the clock is left alone. */
export const windowUsTypical = { MINUTE: minuteUs, HOUR: hourUs, DAY: dayUs, MONTH: 30 * dayUs } as const;

/** The boundaries of all windows that meet [fromUs, toUs): the first is ≤ fromUs, the last ≥ toUs, none is in excess. */
export function windowBoundaries({ fromUs, toUs, size, zone }: WindowRange): number[] {
  checkZone(zone);
  checkCount((toUs - fromUs) / windowUsTypical[size], size); // before the work, and again by the true count
  const boundaries =
    size === 'DAY' || size === 'MONTH'
      ? dateBoundaries(fromUs, toUs, size, zone)
      : clockBoundaries(fromUs, toUs, size === 'HOUR' ? hourUs : minuteUs, zone);
  checkCount(boundaries.length - 1, size);
  return boundaries;
}

/** Throws as windowBoundaries does where the zone is not known: for requests that have no range yet. */
export function checkZone(zone: string): void {
  try {
    new Temporal.ZonedDateTime(0n, zone);
  } catch {
    throw new WindowsError(
      'unknown_zone',
      `unknown time zone ${JSON.stringify(zone.slice(0, 64))}: expected an IANA name such as "Europe/Berlin"`,
    );
  }
}

function checkCount(count: number, size: WindowSize): void {
  if (count <= windowsMax) return;
  throw new WindowsError(
    'too_many_windows',
    `the time range holds about ${Math.round(count)} windows of a ${size.toLowerCase()}, more than ${windowsMax}: ` +
      'narrow from and to, or take a larger window size',
  );
}

/** Starts of local dates or months; about 1 µs a window. */
function dateBoundaries(fromUs: number, toUs: number, size: 'DAY' | 'MONTH', zone: string): number[] {
  const step = size === 'DAY' ? { days: 1 } : { months: 1 };
  // A day earlier: where the clock was set back across midnight, the date shown at `from` may not be the window's.
  let date = zonedAt(fromUs, zone).toPlainDate().subtract({ days: 1 });
  if (size === 'MONTH') date = date.with({ day: 1 });

  const boundaries: number[] = [];
  for (;;) {
    const startUs = date.toZonedDateTime(zone).epochMilliseconds * 1000;
    if (startUs <= fromUs) boundaries.length = 0;
    const skipped = boundaries.length > 0 && startUs <= boundaries.at(-1)!;
    if (!skipped) boundaries.push(startUs);
    if (startUs >= toUs && boundaries.length > 1) return boundaries;
    date = date.add(step);
  }
}

/** Full hours or minutes of the wall clock, one stretch of constant offset after the other. */
function clockBoundaries(fromUs: number, toUs: number, stepUs: number, zone: string): number[] {
  const boundaries: number[] = [];
  // No window is longer than two steps, so the one that `from` lies in begins after this.
  let segment = zonedAt(fromUs - 2 * stepUs, zone);
  let startUs = segment.epochMilliseconds * 1000;
  for (;;) {
    const offsetUs = segment.offsetNanoseconds / 1000;
    const next = segment.getTimeZoneTransition('next');
    const endUs = next ? next.epochMilliseconds * 1000 : Number.POSITIVE_INFINITY;

    let boundaryUs = Math.ceil((startUs + offsetUs) / stepUs) * stepUs - offsetUs;
    for (; boundaryUs < endUs; boundaryUs += stepUs) {
      if (boundaryUs <= fromUs) boundaries.length = 0;
      boundaries.push(boundaryUs);
      if (boundaryUs >= toUs && boundaries.length > 1) return boundaries;
    }

    segment = next!;
    startUs = endUs;
    const localBeforeUs = endUs + offsetUs;
    const localAfterUs = endUs + segment.offsetNanoseconds / 1000;
    const skippedFull = Math.ceil(localBeforeUs / stepUs) * stepUs < localAfterUs;
    if (skippedFull && localAfterUs % stepUs !== 0) {
      if (endUs <= fromUs) boundaries.length = 0;
      boundaries.push(endUs);
      if (endUs >= toUs && boundaries.length > 1) return boundaries;
    }
  }
}

function zonedAt(us: number, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(us / 1000)).toZonedDateTimeISO(zone);
}
