import { type WindowSize, windowSizes, windowUsTypical } from './sizes.ts';

export { type WindowSize, windowSizes, windowUsTypical };

/**
 * Windows as lists of boundaries. A list b0 < b1 < … of instants in µs since 1970 cuts time into the windows
 * [b0, b1), [b1, b2), …, so whoever sums by window needs a binary search and no calendar.
 *
 *   MINUTE to HOUR    begin where the local wall clock stands on a full multiple. An hour that the clock repeats is two
 *                     windows where the offsets differ by a whole hour; Lord Howe's half-hour change makes hours of 90
 *                     and 30 minutes. Where the clock jumps over a multiple, the next window begins at the jump.
 *   PT3H and longer   begin when the local date and time is shown first. A date that the zone skips has no window. They
 *                     are counted from an anchor: from midnight, Monday, the first of the month, quarter or year, or from
 *                     a date and time that the caller names (a billing period). Months from the 31st begin on the last day
 *                     of shorter months.
 */

/** Sizes that are counted from an anchor. */
const calendarSteps = {
  PT3H: { hours: 3 },
  PT6H: { hours: 6 },
  PT12H: { hours: 12 },
  DAY: { days: 1 },
  WEEK: { weeks: 1 },
  MONTH: { months: 1 },
  QUARTER: { months: 3 },
  YEAR: { years: 1 },
} as const;
type CalendarSize = keyof typeof calendarSteps;

/** A Thursday; weeks begin on the Monday after it. */
const epoch = Temporal.PlainDateTime.from('1970-01-01T00:00');
const firstMonday = Temporal.PlainDateTime.from('1970-01-05T00:00');

export interface WindowRange {
  fromUs: number;
  toUs: number;
  size: WindowSize;
  /** IANA name, or a fixed offset such as +05:30. */
  zone: string;
  /** Local date and time at which a window of DAY or longer begins, such as 2026-01-31T06:00; the calendar's by default. */
  anchor?: string | undefined;
}

/**
 * More than a month of minutes (44,640) or five years of hours (43,848). An answer with that many rows is 8 MB of
 * JSON, and the boundaries are a parameter of every statement.
 */
export const windowsMax = 50_000;

export class WindowsError extends Error {
  constructor(
    readonly code: 'unknown_zone' | 'too_many_windows' | 'bad_anchor',
    message: string,
  ) {
    super(message);
    this.name = 'WindowsError';
  }
}

/** The boundaries of all windows that meet [fromUs, toUs): the first is ≤ fromUs, the last ≥ toUs, none is in excess. */
export function windowBoundaries({ fromUs, toUs, size, zone, anchor }: WindowRange): number[] {
  checkZone(zone);
  checkCount((toUs - fromUs) / windowUsTypical[size], size); // before the work, and again by the true count
  const boundaries = isCalendarSize(size)
    ? calendarBoundaries(fromUs, toUs, size, zone, anchorOf(size, anchor))
    : clockBoundaries(fromUs, toUs, windowUsTypical[size], zone);
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
    `the time range holds about ${Math.round(count)} windows of ${nameOf(size)}, more than ${windowsMax}: ` +
      'narrow from and to, or take a larger window size',
  );
}

function nameOf(size: WindowSize): string {
  if (size.startsWith('PT')) return size;
  return `${size === 'HOUR' ? 'an' : 'a'} ${size.toLowerCase()}`;
}

/** Throws a WindowsError where windows of the size can't begin there: for requests that have no range yet. */
export function checkAnchor(size: WindowSize, anchor: string): void {
  if (!isCalendarSize(size) || size.startsWith('PT'))
    throw new WindowsError(
      'bad_anchor',
      `windows of ${nameOf(size)} have no anchor: leave it out, or ask for DAY or longer`,
    );
  anchorOf(size, anchor);
}

function isCalendarSize(size: WindowSize): size is CalendarSize {
  return size in calendarSteps;
}

function anchorOf(size: CalendarSize, anchor: string | undefined): Temporal.PlainDateTime {
  if (anchor === undefined) return size === 'WEEK' ? firstMonday : epoch;
  if (/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?$/.test(anchor)) {
    try {
      return Temporal.PlainDateTime.from(anchor, { overflow: 'reject' });
    } catch {
      // 30 February: named below
    }
  }
  throw new WindowsError(
    'bad_anchor',
    `${JSON.stringify(anchor.slice(0, 64))} is no anchor: expected a local date, or date and time, such as 2026-01-31T06:00`,
  );
}

/** Instants at which the local date and time, counted from the anchor in steps, is first shown; about 1 µs a window. */
function calendarBoundaries(
  fromUs: number,
  toUs: number,
  size: CalendarSize,
  zone: string,
  anchor: Temporal.PlainDateTime,
): number[] {
  const [unit, length] = Object.entries(calendarSteps[size])[0]! as [
    'hours' | 'days' | 'weeks' | 'months' | 'years',
    number,
  ];
  // A day earlier: where the clock was set back across midnight, the date shown at `from` may not be the window's.
  const local = zonedAt(fromUs, zone).toPlainDateTime().subtract({ days: 1 });
  const since = anchor.until(local, { largestUnit: unit })[unit];
  const boundaries: number[] = [];
  for (let step = Math.floor(since / length) - 1; ; step++) {
    const startUs = anchor.add({ [unit]: step * length }).toZonedDateTime(zone).epochMilliseconds * 1000;
    if (startUs <= fromUs) boundaries.length = 0;
    const skipped = boundaries.length > 0 && startUs <= boundaries.at(-1)!;
    if (!skipped) boundaries.push(startUs);
    if (startUs >= toUs && boundaries.length > 1) return boundaries;
  }
}

/** Full multiples of the wall clock, up to an hour, one span of constant offset after the other. */
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
