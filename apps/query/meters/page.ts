import { createHash } from 'node:crypto';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { TooManyRows } from '@usage/db/usage/accumulator.ts';
import type { UsageQuery } from '@usage/db/usage/context.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { compareTexts } from '@usage/lib/filter/textFilter.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import type { AnswerRow } from './answer.ts';
import type { QueryRequest } from './request.ts';

/** Where a row stands among those of its answer: by what stays, whatever is stored between two pages. */
interface Place {
  /** Place of its customer in the request. */
  customer: number;
  /** Start of its window; 0 without windows, where the start is that of the first event. */
  fromUs: number;
  isOther: boolean;
  subject: string;
  groups: readonly string[];
}

/**
 * A page of an answer's rows, which are ordered by their places. The cursor is the place of the last row of the page before, and
 * names its query: a page begins after it, so that no row is left out and none comes twice, whatever is stored meanwhile. A page's
 * values are of its own snapshot.
 */
export class Page {
  readonly #query: string;
  readonly #after: Place | undefined;

  /** Problems: 400 where the cursor is of another query, or none. */
  constructor(
    meter: StoredMeter,
    readonly request: QueryRequest,
    readonly page: { limit: number; cursor: string | undefined },
  ) {
    this.#query = nameOf(meter, request);
    if (page.cursor === undefined) return;
    this.#after = decode(page.cursor, this.#query);
    if (this.#after) return;
    const reason = 'is not one that this API has given out for this query';
    throw invalid('query', [{ field: 'cursor', reason }], request.source);
  }

  /**
   * The rows of the query that the page is cut from. Windows of the pages before aren't read again, and a range whose windows
   * have more rows than an answer may have is read in pieces, where no row depends on those of other windows.
   */
  async read(
    query: UsageQuery,
    rowsOf: (query: UsageQuery) => Promise<readonly AnswerRow[]>,
  ): Promise<readonly AnswerRow[]> {
    const { customerIds, topN } = this.request;
    const { windows } = query;
    if (!windows || customerIds || topN !== undefined) return rowsOf(query);
    const fromUs = this.#after ? Math.max(query.fromUs ?? 0, this.#after.fromUs) : query.fromUs;
    const { toUs } = query;
    if (fromUs === undefined || toUs === undefined) return rowsOf({ ...query, fromUs });
    const rows: AnswerRow[] = [];
    for (let piece = { fromUs, toUs }; ; ) {
      try {
        rows.push(...this.#rest(await rowsOf({ ...query, ...piece })));
        if (piece.toUs >= toUs || rows.length > this.page.limit) return rows;
        const spanUs = piece.toUs - piece.fromUs;
        piece = { fromUs: piece.toUs, toUs: Math.min(piece.toUs + spanUs, toUs) };
        piece.toUs = Math.min(windowBoundaries({ ...piece, ...windows }).at(-1)!, toUs);
      } catch (error) {
        const boundaries = windowBoundaries({ ...piece, ...windows });
        if (!(error instanceof TooManyRows) || boundaries.length <= 2) throw error;
        piece.toUs = boundaries[(boundaries.length - 1) >> 1]!;
      }
    }
  }

  cut(all: readonly AnswerRow[]): { rows: AnswerRow[]; nextCursor: string | undefined } {
    const { limit } = this.page;
    const placed = this.#rest(all)
      .map((row) => ({ row, place: this.#placeOf(row) }))
      .sort((a, b) => compare(a.place, b.place));
    const shown = placed.slice(0, limit);
    const nextCursor = placed.length > limit ? encode(shown.at(-1)!.place, this.#query) : undefined;
    return { rows: shown.map(({ row }) => row), nextCursor };
  }

  /** Rows after the cursor. */
  #rest(rows: readonly AnswerRow[]): readonly AnswerRow[] {
    const after = this.#after;
    return after ? rows.filter((row) => compare(this.#placeOf(row), after) > 0) : rows;
  }

  #placeOf({ fromUs, subject = '', customerId, groups, isOther = false }: AnswerRow): Place {
    const customer = customerId === undefined ? 0 : this.request.customerIds!.indexOf(customerId);
    return { customer, fromUs: this.request.windowSize ? fromUs : 0, isOther, subject, groups };
  }
}

function compare(a: Place, b: Place): number {
  const order =
    a.customer - b.customer ||
    a.fromUs - b.fromUs ||
    Number(a.isOther) - Number(b.isOther) ||
    compareTexts(a.subject, b.subject);
  if (order !== 0) return order;
  for (let i = 0; i < a.groups.length; i++) {
    const ofGroups = compareTexts(a.groups[i]!, b.groups[i] ?? '');
    if (ofGroups !== 0) return ofGroups;
  }
  return 0;
}

const nameLength = 16;

/** Two queries have one name only if their rows have the same places. */
function nameOf({ generation }: StoredMeter, request: QueryRequest): string {
  const { page: _page, fields: _fields, source: _source, values, filters, ...rest } = request;
  const bounds = values && Object.values(values).map((bound) => bound !== undefined && formatDecimal(bound));
  const parts = [String(generation), Object.entries(rest).sort(), [...filters].sort(), bounds];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, nameLength);
}

function encode({ customer, fromUs, isOther, subject, groups }: Place, query: string): string {
  return Buffer.from(JSON.stringify([query, customer, fromUs, isOther, subject, groups])).toString(
    'base64url',
  );
}

/** undefined where it is none, or of another query. */
function decode(cursor: string, query: string): Place | undefined {
  try {
    const [name, customer, fromUs, isOther, subject, groups] = JSON.parse(
      Buffer.from(cursor, 'base64url').toString(),
    );
    const isText = (value: unknown) => typeof value === 'string';
    const isPlace =
      name === query &&
      Number.isSafeInteger(customer) &&
      Number.isSafeInteger(fromUs) &&
      typeof isOther === 'boolean' &&
      isText(subject) &&
      Array.isArray(groups) &&
      groups.every(isText);
    return isPlace ? { customer, fromUs, isOther, subject, groups } : undefined;
  } catch {
    return undefined;
  }
}
