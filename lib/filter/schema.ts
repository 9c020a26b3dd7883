import { Type } from '@sinclair/typebox';
import { judged } from '../validation/schema.ts';
import { readTextFilter } from './textFilter.ts';
import { readTimeFilter } from './timeFilter.ts';

/** The filters as JSON, for the schemas of requests: what readTextFilter and readTimeFilter take. */

const text = (description?: string) => Type.Optional(Type.String(description ? { description } : {}));
const shownTextFilter = Type.Object(
  {
    $eq: text(),
    $ne: text(),
    $in: Type.Optional(Type.Array(Type.String())),
    $nin: Type.Optional(Type.Array(Type.String())),
    $like: text('% is any text, _ any character, \\ takes the next as it is.'),
    $nlike: text(),
    $ilike: text('$like without regard to case.'),
    $nilike: text(),
    $gt: text('Comparisons are by Unicode code point.'),
    $gte: text(),
    $lt: text(),
    $lte: text(),
    $and: Type.Optional(Type.Array(Type.Unknown(), { description: 'Filters that must all pass.' })),
    $or: Type.Optional(Type.Array(Type.Unknown(), { description: 'Filters of which one must pass.' })),
  },
  { description: 'Several operators in one object must all pass.' },
);

const time = Type.Optional(Type.String({ format: 'date-time' }));
const shownTimeFilter = Type.Object({
  $gt: time,
  $gte: time,
  $lt: time,
  $lte: time,
  $and: Type.Optional(Type.Array(Type.Unknown())),
  $or: Type.Optional(Type.Array(Type.Unknown())),
});

export const TextFilterJson = judged<Record<string, unknown>>(shownTextFilter, (value) =>
  reasonOf(() => readTextFilter(value)),
);

export const TimeFilterJson = judged<Record<string, unknown>>(shownTimeFilter, (value) =>
  reasonOf(() => readTimeFilter(value)),
);

/** All events pass a filter without an operator: whoever sends one has made a mistake. */
function reasonOf(read: () => unknown): string | undefined {
  try {
    return read() === undefined ? 'has no operator: leave the filter out to ask for all' : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
