import { Type } from '@sinclair/typebox';
import { attributeBytesMax } from '../event/event.ts';
import { shownName } from '../validation/issue.ts';
import { choice, closedObject, dictionary, judged, nullable, text, time } from '../validation/schema.ts';
import { isJsonObject, textIssue } from '../validation/text.ts';
import { compileEventFilter, type EventFilters, eventFiltersMax } from './eventFilters.ts';
import { compileExpression, expressionLengthMax } from './expression.ts';
import { aggregations, type TimeUnit, timeUnits } from './meter.ts';
import { compilePath } from './path.ts';

/** The schemas of meters: what Swagger shows of them, and what requests and meters files are held against. */

const slugPattern = '^[a-z0-9]+(?:_[a-z0-9]+)*$';
const slugRegExp = new RegExp(slugPattern);
const slugLengthMax = 64;
const nameLengthMax = 256;
const descriptionLengthMax = 1_024;
const groupByRegExp = /^[a-zA-Z_][0-9a-zA-Z_]*$/;
export const groupByKeysMax = 32;
const groupByNameLengthMax = 128;
/** Queries mean the event's own subject and customer by them. */
export const reservedGroupByNames: readonly string[] = ['subject', 'customer_id'];
const metadataKeysMax = 64;
const metadataKeyLengthMax = 256;
const metadataValueLengthMax = 4_096;

const path = (description: string) =>
  text({
    minLength: 1,
    maxLength: 512,
    pattern: '^\\$',
    description,
    examples: ['$.tokens'],
    issue: pathIssue,
  });

const naming = {
  name: Type.Optional(
    text({
      minLength: 1,
      maxLength: nameLengthMax,
      description: 'Name for people; the slug when it is left out.',
    }),
  ),
  // Empty is refused: OpenMeter's service does so, though its openapi.yaml has no minimum.
  description: Type.Optional(text({ minLength: 1, maxLength: descriptionLengthMax })),
};

const grouping = {
  groupBy: Type.Optional(
    dictionary(path('A JSONPath.'), {
      entriesMax: groupByKeysMax,
      entries: 'names',
      nameIssue: groupByNameIssue,
      description:
        'What usage can be grouped and filtered by: names to JSONPaths into the event data. ' +
        'Every path leads to one value, like $.model, $.user.plan or $["a b"][0].',
      examples: [{ model: '$.model' }],
    }),
  ),
  metadata: Type.Optional(
    nullable(
      dictionary(text({ maxLength: metadataValueLengthMax }), {
        entriesMax: metadataKeysMax,
        entries: 'keys',
        nameIssue: (name) => {
          const issue = textIssue(name, { min: 1, max: metadataKeyLengthMax });
          return issue && `the key ${issue}`;
        },
        description: 'Texts of your own by name.',
        examples: [{ owner: 'billing' }],
      }),
    ),
  ),
};

const eventFilters = judged<EventFilters>(
  {
    type: 'object',
    additionalProperties: true,
    maxProperties: eventFiltersMax,
    description:
      'Which events of the type count: JSONPaths into data, or names of attributes, with the filters that queries ' +
      'have. All must pass.',
    examples: [{ '$.status': { $eq: 'ok' }, source: { $like: 'eu-%' } }],
  },
  (value) => {
    if (!isJsonObject(value)) return 'expected an object of JSONPaths or attributes and filters';
    const entries = Object.entries(value);
    if (entries.length > eventFiltersMax) return `must not have more than ${eventFiltersMax} entries`;
    return entries.flatMap(([name, filter]) => {
      const reason = messageOf(() => compileEventFilter(name, filter));
      return reason ? [{ field: shownName(name), reason }] : [];
    });
  },
);

export const meterFields = {
  slug: text({
    minLength: 1,
    maxLength: slugLengthMax,
    pattern: slugPattern,
    description: 'Names the meter in queries; unique in the namespace.',
    examples: ['tokens_total'],
    issue: (slug) =>
      slugRegExp.test(slug)
        ? undefined
        : 'must consist of lower-case letters and digits, in words joined by single underscores, like tokens_total',
  }),
  ...naming,
  eventType: text({
    minLength: 1,
    maxLength: attributeBytesMax,
    bytesMax: attributeBytesMax,
    description: 'The type of the events it takes.',
    examples: ['prompt'],
  }),
  eventFrom: Type.Optional(time('Events before it do not count.')),
  aggregation: choice(aggregations, {
    description: 'What the events of a window come to.',
    examples: ['SUM'],
  }),
  valueProperty: Type.Optional(
    path(
      'JSONPath of the value in the event data: a number or a text that is one. Required but for COUNT, ' +
        'where it is not allowed.',
    ),
  ),
  valueExpression: Type.Optional(
    text({
      minLength: 1,
      maxLength: expressionLengthMax,
      description:
        'Arithmetic over JSONPaths in the place of valueProperty: + - * / ( ), abs, floor, ceil, min, max, and ' +
        'time($.path) for an RFC 3339 time in seconds. Exact decimals; quotients are rounded to 19 decimals.',
      examples: ['($.ended - $.started) * $.replicas / 3600'],
      issue: (value) => messageOf(() => compileExpression(value)),
    }),
  ),
  timeUnit: Type.Optional(
    choice(Object.keys(timeUnits) as TimeUnit[], {
      default: 'SECOND',
      description:
        'Of WEIGHTED_SUM and WEIGHTED_LATEST: they are answered in value × this, such as GB × hours.',
      examples: ['HOUR'],
    }),
  ),
  filters: Type.Optional(nullable(eventFilters)),
  ...grouping,
};

const readOnly = ['id', 'createdAt', 'updatedAt', 'deletedAt', 'annotations'];
const setBySystem = (name: string) => (readOnly.includes(name) ? 'is set by the system' : undefined);

export const MeterCreate = closedObject(meterFields, { unknown: setBySystem });

export const MeterUpdateBody = closedObject(
  { ...naming, ...grouping },
  {
    unknown: (name) =>
      Object.hasOwn(meterFields, name) ? "can't be changed; make a new meter instead" : setBySystem(name),
    description:
      'Replaces the fields: what is left out goes back to its default, but for the description, which stays. ' +
      'Changing groupBy rebuilds the meter from the events that are kept: usage older than the oldest kept event ' +
      '(EVENT_RETENTION_DAYS) is lost; make a new meter instead. Queries read the events until the rebuild is done.',
  },
);

function groupByNameIssue(name: string): string | undefined {
  if (name.length > groupByNameLengthMax) {
    return `the name must not be longer than ${groupByNameLengthMax} characters`;
  }
  if (!groupByRegExp.test(name)) {
    return 'the name must consist of letters, digits and underscores, and not begin with a digit';
  }
  if (reservedGroupByNames.includes(name)) return 'the name is reserved: every meter can be grouped by it';
  if (name === '__proto__') return 'the name is reserved';
  return undefined;
}

/** Why it is no JSONPath that can be evaluated. */
export function pathIssue(value: string): string | undefined {
  return messageOf(() => compilePath(value));
}

function messageOf(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
