import { dayUs } from '../windows/units.ts';
import { parseTimeUs } from './time.ts';

const dayLength = 11;
const [point, colon, zone, zero] = Buffer.from('.:Z0') as unknown as [number, number, number, number];
const noDigit = -1_000_000;

/** `YYYY-MM-DDT` of the day that was read last, and where it begins. */
const knownDay = new Uint8Array(dayLength);
let knownDayUs = 0;

/**
 * parseTimeUs of an ASCII text that lies in bytes. The form of nearly all clients, UTC with three digits of fraction or
 * none, is read in place where it is of the same day as the one before; all else as a text.
 */
export function parseTimeUsAt(bytes: Buffer, at: number, end: number): number | undefined {
  const isUsual =
    bytes[end - 1] === zone && (end - at === 20 || (end - at === 24 && bytes[at + 19] === point));
  if (isUsual && isKnownDay(bytes, at)) {
    const us = timeOfDayUs(bytes, at + dayLength, end - at === 24);
    if (us >= 0) return knownDayUs + us;
  }
  const us = parseTimeUs(bytes.toString('latin1', at, end));
  if (us !== undefined && isUsual) {
    bytes.copy(knownDay, 0, at, at + dayLength);
    knownDayUs = us - (us % dayUs);
  }
  return us;
}

function isKnownDay(bytes: Buffer, at: number): boolean {
  for (let i = dayLength - 1; i >= 0; i--) if (bytes[at + i] !== knownDay[i]) return false;
  return true;
}

/** Of `HH:MM:SS` or `HH:MM:SS.mmm`; negative where it is none, or a leap second. */
function timeOfDayUs(bytes: Buffer, at: number, hasFraction: boolean): number {
  const hours = two(bytes, at);
  const minutes = two(bytes, at + 3);
  const seconds = two(bytes, at + 6);
  if (hours > 23 || minutes > 59 || seconds > 59) return -1;
  if (bytes[at + 2] !== colon || bytes[at + 5] !== colon) return -1;
  const ms = hasFraction ? two(bytes, at + 9) * 10 + one(bytes, at + 11) : 0;
  if (Math.min(hours, minutes, seconds, ms) < 0) return -1;
  return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + ms * 1_000;
}

/** The digit, or a number so far below zero that nothing brings it back. */
function one(bytes: Buffer, at: number): number {
  const digit = bytes[at]! - zero;
  return digit >= 0 && digit <= 9 ? digit : noDigit;
}

function two(bytes: Buffer, at: number): number {
  return one(bytes, at) * 10 + one(bytes, at + 1);
}
