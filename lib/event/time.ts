import { dayMs, dayUs, minuteUs } from '../windows/units.ts';

/**
 * Times as RFC 3339 writes them, held as microseconds since 1970 (`…Us`, exact in a double until 2255).
 *
 * Any offset and any precision is read, digits beyond the microsecond are cut off. A leap second is the last
 * microsecond of its day, so that it counts for the day it belongs to.
 */

/** First time that is no longer accepted: a client that sends it has mistaken its unit. */
export const endUs = Date.UTC(2200, 0, 1) * 1000;

const notRfc3339 = -1;
const notInCalendar = -2;
const outOfRange = -3;

const issues: Record<number, string> = {
  [notRfc3339]: 'expected an RFC 3339 time such as 2026-11-22T10:00:00.123Z',
  [notInCalendar]: 'no such date or time of day',
  [outOfRange]: 'expected a time from 1970-01-01T00:00:00Z to before 2200-01-01T00:00:00Z',
};

/** Microseconds since 1970, or undefined where the text is no RFC 3339 time from 1970 to 2199. 0.05 µs. */
export function parseTimeUs(text: string): number | undefined {
  const us = read(text);
  return us < 0 ? undefined : us;
}

/** Why parseTimeUs doesn't take the text; undefined when it does. */
export function timeIssue(text: string): string | undefined {
  return issues[read(text)];
}

/** RFC 3339 in UTC with the shortest of no, three or six digits of fraction that holds the time exactly. */
export function formatTimeUs(us: number): string {
  const day = Math.floor(us / dayUs);
  if (day !== formattedDay) {
    formattedDayText = new Date(day * dayMs).toISOString().slice(0, 11);
    formattedDay = day;
  }
  const inDayUs = us - day * dayUs;
  const seconds = Math.floor(inDayUs / 1_000_000);
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  const clock = `${formattedDayText}${twoDigits[hours]}:${twoDigits[minutes - hours * 60]}:${twoDigits[seconds - minutes * 60]}`;
  const fraction = inDayUs - seconds * 1_000_000;
  if (fraction === 0) return `${clock}Z`;
  if (fraction % 1000 === 0) return `${clock}.${String(fraction / 1000).padStart(3, '0')}Z`;
  return `${clock}.${String(fraction).padStart(6, '0')}Z`;
}

const twoDigits = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'));
let formattedDay = Number.NaN;
let formattedDayText = '';

/** Microseconds since 1970, or one of the negative issues. */
function read(text: string): number {
  const separators =
    text.charCodeAt(4) === 45 &&
    text.charCodeAt(7) === 45 &&
    text.charCodeAt(13) === 58 &&
    text.charCodeAt(16) === 58;
  if (!separators || (text.charCodeAt(10) | 32) !== 116) return notRfc3339;
  const century = two(text, 0);
  const yearOfCentury = two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  const hour = two(text, 11);
  const minute = two(text, 14);
  const second = two(text, 17);
  if ((century | yearOfCentury | month | day | hour | minute | second) < 0) return notRfc3339;

  let at = 19;
  let fractionUs = 0;
  if (text.charCodeAt(at) === 46) {
    let digitUs = 100_000;
    for (at = 20; ; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      fractionUs += digit * digitUs;
      digitUs = (digitUs / 10) | 0;
    }
    if (at === 20) return notRfc3339;
  }
  const offset = offsetMinutes(text, at);
  if (offset === malformedOffset) return notRfc3339;

  const year = century * 100 + yearOfCentury;
  const calendar = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!calendar || hour > 23 || minute > 59 || second > 60 || offset === impossibleOffset)
    return notInCalendar;
  const minutes = daysSince1970(year, month, day) * 1440 + hour * 60 + minute - offset;
  let us = minutes * minuteUs + second * 1_000_000 + fractionUs;
  if (second === 60) {
    if ((minutes + 1) % 1440 !== 0) return notInCalendar;
    us = minutes * minuteUs + 59_999_999;
  }
  return us >= 0 && us < endUs ? us : outOfRange;
}

const malformedOffset = 10_000;
const impossibleOffset = 10_001;

/** Minutes east of UTC, when the offset ends the text. */
function offsetMinutes(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  if ((sign | 32) === 122) return text.length === at + 1 ? 0 : malformedOffset;
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 58)
    return malformedOffset;
  const hours = two(text, at + 1);
  const minutes = two(text, at + 4);
  if ((hours | minutes) < 0) return malformedOffset;
  if (hours > 23 || minutes > 59) return impossibleOffset;
  return sign === 45 ? -(hours * 60 + minutes) : hours * 60 + minutes;
}

/** The number that two digits make, or -1. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 of a proleptic Gregorian date, counted in years that begin in March. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = (((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) | 0) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
