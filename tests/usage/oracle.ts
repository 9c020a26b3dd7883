import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { type WindowSize, windowBoundaries } from '@usage/lib/windows/windows.ts';

/**
 * What a meter query must answer, from a list of events, in the plainest way: one pass, exact fractions of BigInt, no
 * cells, no rollups. Shares with the product only the windows, which have an oracle of their own.
 */
export interface OracleEvent {
  id: string;
  subject: string;
  timeUs: number;
  /** JSON token of data.v; undefined = the data has none. */
  v: string | undefined;
  model: string | undefined;
  region: string | undefined;
}

export interface OracleQuery {
  fromUs: number | undefined;
  toUs: number | undefined;
  window: { size: WindowSize; zone: string } | undefined;
  subjects: string[] | undefined;
  groupBy: ('subject' | 'model' | 'region')[];
  models: string[] | undefined;
  modelLike: string | undefined;
  /** Of PERCENTILE. */
  percentile: number | undefined;
  /** Of SUM and COUNT: the percentile is of windows of this size. */
  percentileWindow?: WindowSize | undefined;
  /** Windows of this length, which end at each step. */
  rolling?: { hours: number } | { days: number } | undefined;
  /** The present, of WEIGHTED_SUM. */
  nowUs: number;
}

export interface OracleRow {
  windowStartUs: number;
  windowEndUs: number;
  subject: string | null;
  groupBy: Record<string, string>;
  value: string;
}

export interface Fraction {
  digits: bigint;
  scale: number;
}

export function oracle(
  aggregation: Aggregation,
  eventFromUs: number | undefined,
  events: OracleEvent[],
  query: OracleQuery,
): OracleRow[] {
  const groups = new Map<
    string,
    { row: OracleRow; taken: { event: OracleEvent; fraction: Fraction | undefined }[] }
  >();
  for (const event of events) {
    const fraction =
      aggregation === 'COUNT' || aggregation === 'UNIQUE_COUNT' ? undefined : numberOf(event.v);
    if (
      aggregation === 'UNIQUE_COUNT' ? uniqueOf(event.v) === undefined : aggregation !== 'COUNT' && !fraction
    )
      continue;
    if (query.fromUs !== undefined && event.timeUs < query.fromUs) continue;
    if (query.toUs !== undefined && event.timeUs >= query.toUs) continue;
    if (eventFromUs !== undefined && event.timeUs < eventFromUs) continue;
    if (!isAsked(event, query)) continue;
    const row: OracleRow = { ...windowOf(event.timeUs, query.window), ...groupOf(event, query), value: '' };
    const key = JSON.stringify([
      query.window ? row.windowStartUs : 0,
      row.subject,
      Object.values(row.groupBy),
    ]);
    const group = groups.get(key) ?? { row, taken: [] };
    groups.set(key, group);
    group.taken.push({ event, fraction });
  }
  const rows = [...groups.values()].map(({ row, taken }) => {
    if (!query.window) {
      const times = taken.map(({ event }) => event.timeUs);
      row.windowStartUs = Math.floor(Math.min(...times) / 60e6) * 60e6;
      row.windowEndUs = Math.floor(Math.max(...times) / 60e6) * 60e6 + 60e6;
    }
    row.value = valueOfGroup(aggregation, taken, query);
    return row;
  });
  return inOrder(rows);
}

/** Whether its subject and group values are asked for. */
export function isAsked({ subject, model = '' }: OracleEvent, query: OracleQuery): boolean {
  if (query.subjects && !query.subjects.includes(subject)) return false;
  if (query.models && !query.models.includes(model)) return false;
  return query.modelLike === undefined || model.startsWith(query.modelLike);
}

export function groupOf(event: OracleEvent, { subjects, groupBy }: OracleQuery) {
  const bySubject = subjects !== undefined || groupBy.includes('subject');
  const names = groupBy.filter((name) => name !== 'subject');
  return {
    subject: bySubject ? event.subject : null,
    groupBy: Object.fromEntries(names.map((name) => [name, event[name as 'model'] ?? ''])),
  };
}

export function inOrder(rows: OracleRow[]): OracleRow[] {
  const orderKey = (row: OracleRow) => [row.subject ?? '', ...Object.values(row.groupBy)];
  return rows.sort((a, b) => {
    if (a.windowStartUs !== b.windowStartUs) return a.windowStartUs - b.windowStartUs;
    const [x, y] = [orderKey(a), orderKey(b)];
    const i = x.findIndex((text, at) => text !== y[at]);
    return i < 0 ? 0 : Buffer.compare(Buffer.from(x[i]!), Buffer.from(y[i]!));
  });
}

function windowOf(timeUs: number, window: OracleQuery['window']) {
  if (!window) return { windowStartUs: 0, windowEndUs: 0 };
  const [windowStartUs, windowEndUs] = windowBoundaries({ fromUs: timeUs, toUs: timeUs + 1, ...window });
  return { windowStartUs: windowStartUs!, windowEndUs: windowEndUs! };
}

function valueOfGroup(
  aggregation: Aggregation,
  taken: { event: OracleEvent; fraction: Fraction | undefined }[],
  { percentile = 50 }: OracleQuery,
): string {
  const fractions = taken.map(({ fraction }) => fraction!);
  switch (aggregation) {
    case 'COUNT':
      return String(taken.length);
    case 'UNIQUE_COUNT':
      return String(new Set(taken.map(({ event }) => uniqueOf(event.v))).size);
    case 'SUM':
      return print(sum(fractions));
    case 'AVG':
      return print(divided(sum(fractions), BigInt(taken.length)));
    case 'WEIGHTED_SUM':
    case 'WEIGHTED_LATEST':
      throw new Error('levels.ts has it');
    case 'MIN':
      return print(fractions.reduce((a, b) => (compare(b, a) < 0 ? b : a)));
    case 'MAX':
      return print(fractions.reduce((a, b) => (compare(b, a) > 0 ? b : a)));
    case 'PERCENTILE': {
      const thousandths = Math.round(percentile * 1_000);
      const least = fractions.findIndex((one) => {
        const notAbove = fractions.filter((other) => compare(other, one) <= 0).length;
        const below = fractions.filter((other) => compare(other, one) < 0).length;
        return (
          notAbove * 100_000 >= thousandths * taken.length && below * 100_000 < thousandths * taken.length
        );
      });
      return print(fractions[least]!);
    }
    case 'LATEST': {
      const last = Math.max(...taken.map(({ event }) => event.timeUs));
      const latest = taken.filter(({ event }) => event.timeUs === last).map(({ fraction }) => fraction!);
      return print(latest.reduce((a, b) => (compare(b, a) > 0 ? b : a)));
    }
  }
}

/** Whether a text is within 1 % of another, as numbers. */
export function isNear(found: string, exact: string): boolean {
  const [a, b] = [numberOf(found)!, numberOf(exact)!];
  const scale = Math.max(a.scale, b.scale);
  const [x, y] = [at(a, scale), at(b, scale)];
  const [error, whole] = [x > y ? x - y : y - x, y < 0n ? -y : y];
  return error * 100n <= whole;
}

/** What the expression `$.v * 3 - 0.25` makes of a JSON token; undefined where it is no number. */
export function tripled(token: string | undefined): string | undefined {
  const value = numberOf(token);
  return (
    value &&
    print(
      sum([
        { ...value, digits: value.digits * 3n },
        { digits: -25n, scale: 2 },
      ]),
    )
  );
}

/** Half away from zero at 19 digits: twice the exact quotient, plus one, halved. */
export function divided(total: Fraction, by: bigint): Fraction {
  const scale = 19;
  const numerator = total.digits * 10n ** BigInt(scale) * 2n;
  const denominator = 10n ** BigInt(total.scale) * by;
  const sign = numerator < 0n ? -1n : 1n;
  return { digits: sign * (((sign * numerator) / denominator + 1n) / 2n), scale };
}

/** The exact number that a JSON number or numeric text says. */
export function numberOf(token: string | undefined): Fraction | undefined {
  const text = token?.startsWith('"') ? (JSON.parse(token) as string) : token;
  const match = text === undefined ? null : /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) return undefined;
  const [, sign, whole, part = '', exponent = '0'] = match;
  const digits = BigInt(`${sign}${whole}${part}`);
  const scale = part.length - Number(exponent);
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}

/** Numbers count by their value, texts as they are. */
function uniqueOf(token: string | undefined): string | undefined {
  if (token === undefined || token === 'null' || token.startsWith('{') || token.startsWith('['))
    return undefined;
  if (token.startsWith('"')) return JSON.parse(token);
  return token === 'true' || token === 'false' ? token : print(numberOf(token)!);
}

export function sum(fractions: Fraction[]): Fraction {
  const scale = Math.max(...fractions.map((one) => one.scale));
  return { digits: fractions.reduce((total, one) => total + at(one, scale), 0n), scale };
}

export function compare(a: Fraction, b: Fraction): number {
  const scale = Math.max(a.scale, b.scale);
  const difference = at(a, scale) - at(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function at({ digits, scale }: Fraction, wanted: number): bigint {
  return digits * 10n ** BigInt(wanted - scale);
}

export function print({ digits, scale }: Fraction): string {
  const negative = digits < 0n;
  const text = (negative ? -digits : digits).toString().padStart(scale + 1, '0');
  const whole = text.slice(0, text.length - scale);
  const part = text.slice(text.length - scale).replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${part ? `.${part}` : ''}`;
}
