import { Type } from '@sinclair/typebox';
import { percentileDecimalsMax } from '../cells/sketch.ts';
import { parseDecimal } from '../decimal/decimal.ts';
import { TextFilterJson } from '../filter/schema.ts';
import { jsonText, separated } from '../http/parameters.ts';
import {
  choice,
  closedObject,
  decimalNumber,
  dictionary,
  judged,
  text,
  time,
  wholeNumber,
} from '../validation/schema.ts';
import { parseRollingLength, rollingPattern } from '../windows/rolling.ts';
import { checkZone, windowSizes } from '../windows/windows.ts';

/** OpenMeter's wire format of meter queries (its api/openapi.yaml): GET and POST say the same. */

const subjectsMax = 100;
export const customersMax = 100;
/** The group that stands for the customer of a subject. */
export const customerGroup = 'customer_id';
export const groupByMax = 100;
const valuesMax = 1_000;
const textLengthMax = 1_024;

export const clientId = judged<string>(
  { type: 'string', minLength: 1, maxLength: 36, description: 'Taken and not used.' },
  (value) =>
    typeof value === 'string' && value.length >= 1 && value.length <= 36
      ? undefined
      : 'must be a text of 1 to 36 characters',
);

/** An IANA name; empty is UTC, as OpenMeter has it. */
export const timeZone = judged<string>(
  { type: 'string', default: 'UTC', description: 'IANA name.', examples: ['Europe/Berlin'] },
  (value) => {
    if (typeof value !== 'string') return 'must be a text';
    try {
      if (value !== '') checkZone(value);
      return undefined;
    } catch (error) {
      return `invalid time zone: ${(error as Error).message}`;
    }
  },
);

/** What events may hold: PostgreSQL stores neither NUL nor half a surrogate pair, so no value can equal such a text. */
const isText = (value: unknown) =>
  typeof value === 'string' && value.length <= textLengthMax && value.isWellFormed() && !value.includes('\0');

export function texts({ min = 0, max }: { min?: number; max: number }, description: string) {
  const shown = { type: 'array', items: Type.String(), minItems: min, maxItems: max, description };
  return judged<string[]>(shown, (value) => {
    if (!Array.isArray(value)) return 'must be a list of texts';
    if (value.length < min) return 'must not be empty: leave it out to ask for all';
    if (value.length > max) return `has more than ${max} values`;
    return value.every(isText) ? undefined : `must be texts of at most ${textLengthMax} characters`;
  });
}

const groupFilter = judged<string | string[]>(
  { oneOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
  (value) => {
    const values = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(values) || !values.every(isText)) return 'must be a list of texts';
    if (values.length === 0) return 'must not be empty: leave it out to ask for all';
    return values.length > valuesMax ? `has more than ${valuesMax} values` : undefined;
  },
);

const filters = { entriesMax: groupByMax, entries: 'filters' };
const filterGroupBy = dictionary(groupFilter, {
  ...filters,
  description: 'Group values by name. In a query filterGroupBy[model]=gpt-4o',
});
const advancedFilters = dictionary(TextFilterJson, {
  ...filters,
  description: 'JSON, a filter for each group.',
  examples: ['{"model": {"$like": "gpt-%"}}'],
});

const windows = {
  from: Type.Optional(time('Inclusive. To the microsecond; not rounded to the window.')),
  to: Type.Optional(time('Exclusive.')),
  windowSize: Type.Optional(
    choice(windowSizes, { description: 'One row a window and group; without it one row a group.' }),
  ),
  windowTimeZone: Type.Optional(timeZone),
  asOf: Type.Optional(
    time(
      'As of this moment of arrival: what arrived or was corrected later does not count, as an invoice saw it then. ' +
        'Read from the events, so only as far back as they are kept (EVENT_RETENTION_DAYS).',
    ),
  ),
  windowAnchor: Type.Optional(
    text({
      maxLength: 64,
      description:
        'Local date, or date and time, at which a window begins: billing periods. For windows of DAY or longer.',
      examples: ['2026-01-31', '2026-01-15T06:00'],
    }),
  ),
};
const subject = Type.Optional(texts({ min: 1, max: subjectsMax }, 'Filters and groups by subject.'));
const groupBy = texts(
  { max: groupByMax },
  'Group-by names of the meter, or `subject`, or `customer_id` (with filterCustomerId).',
);

const topNMax = 100;

const percentile = decimalNumber(
  { above: 0, maximum: 100, decimals: percentileDecimalsMax },
  {
    default: 50,
    description:
      'Of a PERCENTILE meter: which one, within 1 % of the value that so many percent are not above. Of a SUM or COUNT meter ' +
      'with percentileWindow: of these windows, exact.',
    examples: [99.9],
  },
);

/** Rows of a page at most: as many as an answer may have. */
const limitMax = 100_000;
/** Holds group values: in a POST, whose body may be as long. */
const cursorLengthMax = 262_144;
const boundLengthMax = 100;

const decimal = (description: string) =>
  judged<string | number>(
    { oneOf: [{ type: 'string' }, { type: 'number' }], description, examples: ['12.5'] },
    (value) => {
      const isDecimal =
        typeof value === 'number'
          ? Number.isFinite(value)
          : typeof value === 'string' && value.length <= boundLengthMax && parseDecimal(value) !== undefined;
      return isDecimal ? undefined : `must be a decimal number of at most ${boundLengthMax} characters`;
    },
  );

const page = {
  limit: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: limitMax },
      {
        description:
          'Rows at most; where there are more, `nextCursor` (in JSON) and the header Usage-Next-Cursor lead to the next page. ' +
          'Rows without windows are ordered by subject and group values then.',
        examples: [1_000],
      },
    ),
  ),
  cursor: Type.Optional(
    text({
      minLength: 1,
      maxLength: cursorLengthMax,
      description:
        'Of the page before, with the same query and a limit. Each page is of the moment it was asked for (Usage-As-Of); no row ' +
        'is left out or comes twice. With asOf all pages are of one moment.',
    }),
  ),
};

const values = {
  valueGt: Type.Optional(
    decimal('Only rows whose value is greater. On rows as they are aggregated, exactly.'),
  ),
  valueGte: Type.Optional(decimal('Only rows whose value is at least this.')),
  valueLt: Type.Optional(decimal('Only rows whose value is less.')),
  valueLte: Type.Optional(decimal('Only rows whose value is at most this.')),
};

export const MeterQueryBody = closedObject({
  ...windows,
  ...page,
  ...values,
  topN: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: topNMax },
      {
        description:
          'Only so many groups, those with the largest values; the others as one row with `other: true`.',
        examples: [5],
      },
    ),
  ),
  percentile: Type.Optional(percentile),
  percentileWindow: Type.Optional(
    choice(windowSizes, {
      description:
        'Of a SUM or COUNT meter: the percentile is that of windows of this size, in each window of windowSize or from ' +
        '`from` to `to`. Exact; windows without events count as 0.',
      examples: ['PT5M'],
    }),
  ),
  rollingWindow: Type.Optional(
    text({
      maxLength: 16,
      pattern: rollingPattern,
      description:
        'PT24H, P30D: each row is about the time of this length that ends where a window of windowSize ends, or at `to`.',
      examples: ['P30D'],
      issue: (value) => {
        try {
          parseRollingLength(value);
          return undefined;
        } catch (error) {
          return (error as Error).message;
        }
      },
    }),
  ),
  subject,
  groupBy: Type.Optional(groupBy),
  filterGroupBy: Type.Optional(filterGroupBy),
  advancedMeterGroupByFilters: Type.Optional(advancedFilters),
  filterCustomerId: Type.Optional(
    texts(
      { min: 1, max: customersMax },
      'Ids of customers: the usage of their subjects, added up by customer.',
    ),
  ),
  clientId: Type.Optional(clientId),
});

const { subject: _subject, ...bodyOfOneSubject } = MeterQueryBody.properties;
const parameters = {
  ...bodyOfOneSubject,
  groupBy: Type.Optional(separated(groupBy)),
  advancedMeterGroupByFilters: Type.Optional(jsonText(advancedFilters)),
};
export const MeterQueryParameters = closedObject({ ...parameters, subject });
export const PortalQueryParameters = closedObject({
  ...parameters,
  subject: Type.Optional(
    texts({ max: subjectsMax }, 'Taken and not used: whose usage it is says the token.'),
  ),
});

export const RangeParameters = closedObject({ from: windows.from, to: windows.to });
