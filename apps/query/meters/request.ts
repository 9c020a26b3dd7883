import type { Static } from '@sinclair/typebox';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { readTextFilter, type TextFilter } from '@usage/lib/filter/textFilter.ts';
import { type IssueSource, invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import {
  MeterQueryBody,
  type MeterQueryParameters,
  type PortalQueryParameters,
  RangeParameters,
} from '@usage/lib/queryApi/meterQuery.ts';
import type { Issue } from '@usage/lib/validation/issue.ts';
import { withoutNulls } from '@usage/lib/validation/schema.ts';
import { parseRollingLength, type RollingLength } from '@usage/lib/windows/rolling.ts';
import { checkAnchor, type WindowSize } from '@usage/lib/windows/windows.ts';
import { overlayIssues, pageIssues } from './overlays.ts';
import { type ValueBounds, valueBounds } from './valueBounds.ts';

/** A meter query, before the meter is known. */
export interface QueryRequest {
  fromUs: number | undefined;
  toUs: number | undefined;
  windowSize: WindowSize | undefined;
  windowTimeZone: string;
  /** Local date and time at which a window begins. */
  windowAnchor: string | undefined;
  /** As of this moment of arrival, in µs since 1970; undefined = now. */
  asOfUs: number | undefined;
  /** So many groups, and one row for all the others. undefined = all groups. */
  topN: number | undefined;
  /** Of a PERCENTILE meter, undefined = the median; or of windows. */
  percentile: number | undefined;
  /** The size of the windows whose percentile is asked for. There are a percentile and `fromUs`, and no topN. */
  percentileWindow?: WindowSize | undefined;
  /** How long windows are that end at each step. There are a window size and `fromUs`, and no topN. */
  rollingWindow?: RollingLength | undefined;
  /** undefined = not given; OpenMeter groups by subject as soon as the field is there. */
  subjects: string[] | undefined;
  groupBy: string[];
  /** Ids of customers; rows are grouped by customer then, as OpenMeter does. undefined = not given. */
  customerIds: string[] | undefined;
  /** Of the rows' values. */
  values?: ValueBounds | undefined;
  /** Rows at most, after those of the cursor; undefined = all rows. */
  page?: { limit: number; cursor: string | undefined } | undefined;
  filters: Map<string, TextFilter>;
  /** Which fields of the request hold them: for issues that only the meter shows. */
  fields: { groupBy: string; filters: string; customers: string };
  source: IssueSource;
}

/** The body of a POST. Problems: 400 with every issue. */
export function readQueryBody(body: unknown): QueryRequest {
  return toQueryRequest(readBodyAs('query', MeterQueryBody, withoutNulls(body, narrowing)), 'body');
}

const narrowing = ['subject', 'filterCustomerId', 'filterGroupBy', 'advancedMeterGroupByFilters'];

/** The query of a GET. Problems: 400 with every issue. */
export function readQueryParameters(
  schema: typeof MeterQueryParameters | typeof PortalQueryParameters,
  request: Request,
): QueryRequest {
  return toQueryRequest(readParameters(schema, request), 'query');
}

function toQueryRequest(given: Static<typeof MeterQueryBody>, source: IssueSource): QueryRequest {
  const { from, to, windowSize, windowTimeZone, windowAnchor, subject, groupBy = [] } = given;
  const { filterGroupBy = {}, advancedMeterGroupByFilters: advanced = {} } = given;
  const isAdvanced = Object.keys(advanced).length > 0;
  const range = readRange(from, to);
  const issues = [...range.issues];
  if (isAdvanced && Object.keys(filterGroupBy).length > 0) {
    const reason = 'advanced meter group by filters and filter group by cannot be used together';
    issues.push({ field: '', reason });
  }
  if (given.topN !== undefined && subject === undefined && groupBy.length === 0)
    issues.push({ field: 'topN', reason: 'needs a groupBy: which groups?' });
  if (given.topN !== undefined && given.filterCustomerId)
    issues.push({ field: 'topN', reason: 'cannot be used together with filterCustomerId' });
  issues.push(...overlayIssues(given), ...pageIssues(given));
  const anchorIssue = windowAnchor === undefined ? undefined : anchorIssueOf(windowSize, windowAnchor);
  if (anchorIssue !== undefined) issues.push({ field: 'windowAnchor', reason: anchorIssue });
  if (issues.length > 0) throw invalid('query', issues, source);
  return {
    fromUs: range.fromUs,
    toUs: range.toUs,
    windowSize,
    windowTimeZone: windowTimeZone || 'UTC',
    windowAnchor,
    topN: given.topN,
    percentile: given.percentile,
    percentileWindow: given.percentileWindow,
    rollingWindow: given.rollingWindow === undefined ? undefined : parseRollingLength(given.rollingWindow),
    values: valueBounds(given),
    page: given.limit === undefined ? undefined : { limit: given.limit, cursor: given.cursor },
    asOfUs: given.asOf === undefined ? undefined : parseTimeUs(given.asOf),
    subjects: subject && [...new Set(subject)],
    customerIds: given.filterCustomerId && [...new Set(given.filterCustomerId)],
    groupBy: [...new Set(groupBy)],
    filters: isAdvanced ? advancedFilters(advanced) : valueFilters(filterGroupBy),
    fields: {
      groupBy: 'groupBy',
      filters: isAdvanced ? 'advancedMeterGroupByFilters' : 'filterGroupBy',
      customers: 'filterCustomerId',
    },
    source,
  };
}

/** The range of a list. Problems: 400 with every issue. */
export function readRangeParameters(request: Request): {
  fromUs: number | undefined;
  toUs: number | undefined;
} {
  const { from, to } = readParameters(RangeParameters, request);
  const { issues, fromUs, toUs } = readRange(from, to);
  if (issues.length > 0) throw invalid('query', issues, 'query');
  return { fromUs, toUs };
}

export function readRange(from: string | undefined, to: string | undefined) {
  const fromUs = from === undefined ? undefined : parseTimeUs(from);
  const toUs = to === undefined ? undefined : parseTimeUs(to);
  const issues: Issue[] = [];
  if (fromUs !== undefined && toUs !== undefined && fromUs >= toUs) {
    const reason = fromUs === toUs ? 'from and to cannot be equal' : 'from must be before to';
    issues.push({ field: '', reason });
  }
  return { fromUs, toUs, issues };
}

function anchorIssueOf(size: WindowSize | undefined, anchor: string): string | undefined {
  try {
    if (size === undefined) return 'it needs a windowSize of DAY or longer';
    checkAnchor(size, anchor);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function valueFilters(given: Record<string, string | string[]>): Map<string, TextFilter> {
  const filters = new Map<string, TextFilter>();
  for (const [name, value] of Object.entries(given)) {
    filters.set(name, { operator: 'in', values: typeof value === 'string' ? [value] : value });
  }
  return filters;
}

function advancedFilters(given: Record<string, Record<string, unknown>>): Map<string, TextFilter> {
  const filters = new Map<string, TextFilter>();
  for (const [name, json] of Object.entries(given)) {
    const filter = readTextFilter(json);
    if (filter) filters.set(name, filter);
  }
  return filters;
}
