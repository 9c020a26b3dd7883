import { dayMs } from '@usage/lib/windows/units.ts';

/**
 * Under which period (days, 7 by default, that the events table is cut into) an event is filed, and whether an earlier copy
 * of it may lie under another.
 *
 * Identity is unique within a period by index. An event that arrives within the dedupe window W of a boundary may have
 * arrived before on the other side of it, so it has to be looked for there, unless its id carries a time (UUIDv7, ULID):
 *
 *   - An id is filed under the period of its own time where that is later than its arrival (up to 2 W ahead: a client's
 *     clock may be wrong), else under the period of its arrival.
 *   - So an id whose time lies in its period, and at most W ahead of its arrival, has been filed under that same period at
 *     every arrival of the last W: before the boundary its time was in the future, by at most 2 W. No look-up is needed.
 *   - All others ("opaque") are looked for in the neighbouring periods, if W reaches into one.
 *
 * That holds for copies that are stored in the order of their arrival. A frame that is stored late (a replay, a backlog, a
 * processor that was stopped) may be overtaken by a copy that arrived up to W after it, was filed under a later period
 * and is stored already: such rows are looked for as well, once a later period is open at their commit. A later copy
 * goes by its id's time as long as that is at most 2 W ahead of it, so it lies at most 3 W after the row's arrival.
 */

/** Periods of seven days begin on a Monday: 1970-01-01 was a Thursday. */
const mondayShift = 3;

export interface PeriodRules {
  periodDays: number;
  /** W: how long after its arrival an identity is still recognised. */
  dedupeWindowMs: number;
}

/** First day (since 1970) of the period that a moment lies in. */
export function periodOf(ms: number, periodDays: number): number {
  const day = Math.floor(ms / dayMs) + mondayShift;
  return day - (((day % periodDays) + periodDays) % periodDays) - mondayShift;
}

export interface Filing {
  period: number;
  /** An earlier copy may lie in a neighbouring period. */
  lookAround: boolean;
  /** A later copy may be stored in the next period before this one is: after a replay or a backlog. */
  mayBeOvertaken: boolean;
}

/** An id as it lies in bytes: of a text of its own where it has escapes there. */
type Id = { at: number; end: number; text: string | undefined };

/** How the ids of one arrival are filed: one function for all events of a frame. */
export function filingAt(
  arrivalMs: number,
  { periodDays, dedupeWindowMs }: PeriodRules,
): (bytes: Uint8Array, id: Id) => Filing {
  const here = periodOf(arrivalMs, periodDays);
  const before = periodOf(arrivalMs - dedupeWindowMs, periodDays);
  const soon = periodOf(arrivalMs + dedupeWindowMs, periodDays);
  const after = periodOf(arrivalMs + 3 * dedupeWindowMs, periodDays);
  const plain: Filing = { period: here, lookAround: false, mayBeOvertaken: false };
  if (before === here && after === here) return () => plain;
  const opaque: Filing = { period: here, lookAround: before !== here, mayBeOvertaken: soon !== here };
  const tooFar: Filing = { ...opaque, mayBeOvertaken: after !== here };
  return (bytes, id) => {
    const ownMs = timeOf(bytes, id);
    if (ownMs === undefined) return opaque;
    if (ownMs > arrivalMs + 2 * dedupeWindowMs) return tooFar;
    const own = periodOf(ownMs, periodDays);
    if (own < here) return opaque;
    const hasOnePeriod = ownMs <= arrivalMs + dedupeWindowMs;
    return { period: own, lookAround: !hasOnePeriod, mayBeOvertaken: soon > own };
  };
}

/** The periods in which copies of rows that arrived from one moment to another may lie. */
export function periodsAround(
  fromMs: number,
  toMs: number,
  { periodDays, dedupeWindowMs }: PeriodRules,
): number[] {
  const periods: number[] = [];
  const last = periodOf(toMs + 3 * dedupeWindowMs, periodDays);
  for (let period = periodOf(fromMs - dedupeWindowMs, periodDays); period <= last; period += periodDays)
    periods.push(period);
  return periods;
}

function timeOf(bytes: Uint8Array, { at, end, text }: Id): number | undefined {
  return text === undefined ? timeOfId(bytes, at, end) : timeOfId(Buffer.from(text));
}

const uuidLength = 36;
const ulidLength = 26;
const ulidTimeLength = 10;
const [dash, zero, seven] = Buffer.from('-07') as unknown as [number, number, number];

/**
 * Milliseconds since 1970 that a UUIDv7 (RFC 9562) or a ULID carries; undefined for any other id. Looks at the form only
 * as far as it must: all that counts is that the same id always gives the same time.
 */
export function timeOfId(id: Uint8Array, at = 0, end = id.length): number | undefined {
  switch (end - at) {
    case uuidLength: {
      if (id[at + 14] !== seven || id[at + 8] !== dash || id[at + 13] !== dash) return undefined;
      const high = digits(id, at, at + 8, 16, hexDigits);
      const low = digits(id, at + 9, at + 13, 16, hexDigits);
      return high < 0 || low < 0 ? undefined : high * 65_536 + low;
    }
    case ulidLength: {
      if (id[at]! < zero || id[at]! > seven) return undefined;
      const ms = digits(id, at, at + ulidTimeLength, 32, crockfordDigits);
      return ms < 0 ? undefined : ms;
    }
    default:
      return undefined;
  }
}

const hexDigits = digitValues('0123456789ABCDEF');
const crockfordDigits = digitValues('0123456789ABCDEFGHJKMNPQRSTVWXYZ');

/** By byte, capital or small: what the digit is worth, -1 for anything else. */
function digitValues(alphabet: string): Int8Array {
  const values = new Int8Array(256).fill(-1);
  for (const [value, digit] of [...alphabet].entries()) {
    values[digit.charCodeAt(0)] = value;
    values[digit.toLowerCase().charCodeAt(0)] = value;
  }
  return values;
}

/** The number that the digits make; -1 where one isn't a digit. */
function digits(id: Uint8Array, at: number, end: number, base: number, values: Int8Array): number {
  let number = 0;
  for (let i = at; i < end; i++) {
    const value = values[id[i]!]!;
    if (value < 0) return -1;
    number = number * base + value;
  }
  return number;
}
