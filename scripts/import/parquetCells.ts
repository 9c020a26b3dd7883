import { formatTimeUs } from '@usage/lib/event/time.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import type { ParquetParsers, SchemaElement } from 'hyparquet';
import { quoted, RowError } from './refusals.ts';

/** A cell as text, and as JSON where it is no text. */
export interface ParquetCell {
  text: string;
  json: string | undefined;
}

/** A column of a file. */
export interface ParquetColumn {
  name: string;
  kind: 'plain' | 'float' | 'nested' | 'localTime';
  /** Digits behind the point of a decimal. */
  scale: number | undefined;
}

/** JSON that stands in a column of its own type. */
class JsonText {
  constructor(readonly text: string) {}
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const nsPerUs = 1_000n;

/** Times and JSON keep every digit; what isn't UTF-8 is refused with its row. */
export const parsers: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (ms) => (ms === undefined ? undefined : formatTimeUs(Number(ms) * 1_000)),
  timestampFromMicroseconds: (us) => (us === undefined ? undefined : formatTimeUs(Number(us))),
  timestampFromNanoseconds: (ns) => (ns === undefined ? undefined : nanosecondText(ns)),
  dateFromDays: (days) =>
    days === undefined ? undefined : new Date(days * 86_400_000).toISOString().slice(0, 10),
  stringFromBytes: (bytes) => bytes,
  jsonFromBytes: (bytes) => bytes && new JsonText(textOf(bytes)),
};

function nanosecondText(ns: bigint): string {
  const us = ns / nsPerUs;
  const rest = ns % nsPerUs;
  if (rest === 0n || ns < 0n) return formatTimeUs(Number(us));
  const second = formatTimeUs(Number(us - (us % 1_000_000n))).slice(0, -1);
  return `${second}.${String(us % 1_000_000n).padStart(6, '0')}${String(rest).padStart(3, '0')}Z`;
}

/**
 * The columns of a schema. Decimals are taken out of it: the reader would make doubles of them, and gives their bare digits now.
 */
export function columnsIn(schema: SchemaElement[]): ParquetColumn[] {
  const columns: ParquetColumn[] = [];
  let at = 1;
  while (at < schema.length) {
    const element = schema[at]!;
    const end = endOf(schema, at);
    const isNested = end > at + 1 || element.repetition_type === 'REPEATED';
    const within = schema.slice(at, end);
    if (isNested && within.some(isDecimal)) {
      // Left as they are, and refused where they are used.
      columns.push({ name: element.name, kind: 'nested', scale: -1 });
    } else {
      const scale = isDecimal(element) ? scaleOf(element) : undefined;
      if (scale !== undefined) {
        element.converted_type = undefined as never;
        element.logical_type = undefined as never;
      }
      columns.push({ name: element.name, kind: isNested ? 'nested' : kindOf(element), scale });
    }
    at = end;
  }
  return columns;
}

function endOf(schema: SchemaElement[], at: number): number {
  let end = at + 1;
  for (let child = 0; child < (schema[at]!.num_children ?? 0); child++) end = endOf(schema, end);
  return end;
}

function kindOf({ type, logical_type }: SchemaElement): ParquetColumn['kind'] {
  if (type === 'FLOAT') return 'float';
  return logical_type?.type === 'TIMESTAMP' && !logical_type.isAdjustedToUTC ? 'localTime' : 'plain';
}

function isDecimal({ converted_type, logical_type }: SchemaElement): boolean {
  return converted_type === 'DECIMAL' || logical_type?.type === 'DECIMAL';
}

function scaleOf({ scale, logical_type }: SchemaElement): number {
  return scale ?? (logical_type?.type === 'DECIMAL' ? logical_type.scale : 0);
}

/** Throws a RowError for what no event can hold. */
export function cellOf(value: unknown, { name, kind, scale }: ParquetColumn): ParquetCell {
  if (value === null || value === undefined) return { text: '', json: 'null' };
  if (scale !== undefined && kind === 'nested')
    throw new RowError(
      `column ${quoted(name)} holds decimals inside a list or struct: write them as a column`,
    );
  if (scale !== undefined) return number(decimalText(value, scale));
  if (typeof value === 'string')
    return { text: kind === 'localTime' ? value.replace(/Z$/, '') : value, json: undefined };
  if (typeof value === 'number') {
    if (!Number.isFinite(value))
      throw new RowError(`column ${quoted(name)}: ${value} is no number that counts`);
    return number(String(kind === 'float' ? shortest(value) : value));
  }
  if (typeof value === 'bigint') return number(String(value));
  if (value instanceof Uint8Array) return { text: textIn(value, name), json: undefined };
  const json = jsonOf(value, name);
  return { text: json, json };
}

function number(text: string): ParquetCell {
  return { text, json: text };
}

/** Of 32 bits: the shortest number that means the same. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function decimalText(value: unknown, scale: number): string {
  const units = value instanceof Uint8Array ? signed(value) : BigInt(value as number | bigint);
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const point = digits.length - scale;
  const fraction = digits.slice(point).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${digits.slice(0, point)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Two's complement, the highest byte first. */
function signed(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

function jsonOf(value: unknown, column: string): string {
  if (value instanceof JsonText) return checked(value.text, column);
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return JSON.stringify(textIn(value, column));
  if (Array.isArray(value)) return `[${value.map((one) => jsonOf(one, column)).join(',')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, one]) => `${JSON.stringify(name)}:${jsonOf(one, column)}`,
  );
  return `{${members.join(',')}}`;
}

function checked(json: string, column: string): string {
  try {
    return JSON.stringify(parseJson(json));
  } catch (error) {
    throw new RowError(`column ${quoted(column)} holds what is not JSON: ${(error as Error).message}`);
  }
}

function textIn(bytes: Uint8Array, column: string): string {
  try {
    return textOf(bytes);
  } catch {
    throw new RowError(`column ${quoted(column)} holds bytes that are not UTF-8`);
  }
}

function textOf(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
