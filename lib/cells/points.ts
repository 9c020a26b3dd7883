import { type Decimal, formatDecimal, readDecimal } from '../decimal/decimal.ts';

/** The value that a level is set to, and when: among a cell's distinct values it is a text. */
export interface Point {
  timeUs: number;
  value: Decimal;
}

export function pointText(timeUs: number, value: Decimal): string {
  return `${timeUs} ${formatDecimal(value)}`;
}

export function readPoint(text: string): Point {
  const [time, value] = text.split(' ');
  return { timeUs: Number(time), value: readDecimal(value!) };
}
