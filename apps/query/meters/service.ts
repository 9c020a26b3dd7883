import type { Transaction } from '@usage/db/connection/connect.ts';
import { queryCanceled } from '@usage/db/connection/sqlStates.ts';
import { subjectsOfCustomers } from '@usage/db/limits/customers.ts';
import { getMeterToRead, type MeterToRead } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { subjectNames } from '@usage/db/subjects/subjectNames.ts';
import { rowsMax, tooManyRows } from '@usage/db/usage/accumulator.ts';
import type { UsageQuery } from '@usage/db/usage/context.ts';
import { UsageTimeout } from '@usage/db/usage/eventSums.ts';
import { readUsage, type UsageTotals } from '@usage/db/usage/readUsage.ts';
import { generationSubjects } from '@usage/db/usage/sql/rollupSums.ts';
import { compareTexts } from '@usage/lib/filter/textFilter.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { customerGroup } from '@usage/lib/queryApi/meterQuery.ts';
import { type Issue, shownName } from '@usage/lib/validation/issue.ts';
import { nearestName } from '@usage/lib/validation/nearest.ts';
import type { QueryRunner, Read, ReadFrom } from '../runner.ts';
import type { AnswerRow } from './answer.ts';
import { percentileIssues } from './overlays.ts';
import { Page } from './page.ts';
import type { QueryRequest } from './request.ts';
import { type RowsContext, rowsOf } from './rows.ts';
import { withinBounds } from './valueBounds.ts';

export interface Answer {
  body: string | Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
}

/** The usage that a query asked for. */
export interface Answered {
  meter: StoredMeter;
  request: QueryRequest;
  query: UsageQuery;
  rows: readonly AnswerRow[];
  /** Of the next page, where there is one. */
  nextCursor: string | undefined;
  /** The display names of the rows' subjects that have an entry, from the same snapshot. */
  subjectNames(): Promise<ReadonlyMap<string, string | undefined>>;
}

/** How an answer is written: as JSON or a table, in the words of v1 or v3. */
export type Presenter = (answered: Answered) => Answer | Promise<Answer>;

/** Problems: 400, 404, 503. */
export async function queryMeter(
  runner: QueryRunner,
  namespace: string,
  idOrSlug: string,
  request: QueryRequest,
  present: Presenter,
  from: ReadFrom = 'replicas',
): Promise<Answer> {
  const read: Read<Answer> = async (tx, deadlineMs, freshness) => {
    const found = await findMeter(tx, namespace, idOrSlug);
    const { meter } = found;
    const page = request.page && new Page(meter, request, request.page);
    const query = toUsageQuery(meter, request);
    const context: RowsContext = {
      meter,
      request,
      nowUs: runner.nowMs() * 1_000,
      read: (one) => usageOf(tx, runner, found, one, deadlineMs),
    };
    const passing = async (asked: UsageQuery) => {
      const all =
        request.customerIds === undefined
          ? await rowsOf(context, asked)
          : await rowsByCustomer(tx, context, asked);
      return request.values ? withinBounds(all, request.values) : all;
    };
    const whole = page ? page.cut(await page.read(query, passing)) : { rows: await passing(query) };
    const { rows, nextCursor } = { nextCursor: undefined, ...whole };
    runner.metrics.rows.observe({ kind: 'meter' }, rows.length);
    const names = () => subjectNames(tx, namespace, subjectsOf(rows));
    const { body, headers } = await present({ meter, request, query, rows, nextCursor, subjectNames: names });
    const next = nextCursor === undefined ? {} : { 'Usage-Next-Cursor': nextCursor };
    return { body, headers: { ...(await freshness), ...headers, ...next } };
  };
  return await runner.read('meter', namespace, read, from);
}

/** The rows of each customer, read one after the other: a customer's subjects add up, whatever the aggregation. */
async function rowsByCustomer(
  tx: Transaction,
  context: RowsContext,
  query: UsageQuery,
): Promise<AnswerRow[]> {
  const { meter, request } = context;
  const { customerIds = [], fields, source } = request;
  const subjectsBy = await subjectsOfCustomers(tx, meter.namespace, customerIds);
  const unknown = customerIds.filter((id) => !subjectsBy.has(id));
  if (unknown.length > 0) {
    const names = unknown.slice(0, 10).map((id) => id.slice(0, 64).toWellFormed());
    const reason = `names customers that are not there: ${names.join(', ')}`;
    throw invalid('query', [{ field: fields.customers, reason }], source);
  }
  const rows: AnswerRow[] = [];
  for (const customerId of customerIds) {
    const wanted = query.subjects && new Set(query.subjects);
    const subjects = subjectsBy.get(customerId)!.filter((subject) => wanted?.has(subject) ?? true);
    for (const row of await rowsOf(context, { ...query, subjects })) rows.push({ ...row, customerId });
    if (rows.length > rowsMax) throw tooManyRows();
  }
  return rows;
}

/** The subjects with usage in the range, sorted. Problems: 404, 503. */
export async function listMeterSubjects(
  runner: QueryRunner,
  namespace: string,
  idOrSlug: string,
  range: { fromUs: number | undefined; toUs: number | undefined },
): Promise<string[]> {
  return await runner.read('subjects', namespace, async (tx, deadlineMs) => {
    const found = await findMeter(tx, namespace, idOrSlug);
    const { meter } = found;
    const unbounded =
      range.fromUs === undefined && range.toUs === undefined && meter.eventFromUs === undefined;
    if (unbounded && meter.backfilledAt) return await allSubjects(tx, runner, found);
    const query = { ...everything, ...range, groupBySubject: true };
    const { totals } = await usageOf(tx, runner, found, query, deadlineMs);
    return totals.map(({ key }) => key[0]!).sort(compareTexts);
  });
}

/** The values of a group with usage in the range, sorted. Problems: 400, 404, 503. */
export async function listGroupValues(
  runner: QueryRunner,
  namespace: string,
  idOrSlug: string,
  name: string,
  range: { fromUs: number | undefined; toUs: number | undefined },
): Promise<string[]> {
  return await runner.read('group_values', namespace, async (tx, deadlineMs) => {
    const found = await findMeter(tx, namespace, idOrSlug);
    const { meter } = found;
    if (!Object.hasOwn(meter.groupBy, name)) {
      throw new Problem(
        'bad_request',
        `The meter ${meter.slug} has no group by ${JSON.stringify(name.slice(0, 64))}.`,
      );
    }
    const query = { ...everything, ...range, groupBy: [name] };
    const { totals } = await usageOf(tx, runner, found, query, deadlineMs);
    return totals.map(({ key }) => key[0]!).sort(compareTexts);
  });
}

const everything: UsageQuery = {
  fromUs: undefined,
  toUs: undefined,
  windows: undefined,
  subjects: undefined,
  groupBySubject: false,
  groupBy: [],
  filters: new Map(),
};

async function usageOf(
  tx: Transaction,
  runner: QueryRunner,
  found: MeterToRead,
  query: UsageQuery,
  deadlineMs: number,
): Promise<UsageTotals> {
  const { meter } = found;
  const { deltas, metrics } = runner;
  try {
    return await readUsage(tx, found, query, { deltas, metrics, deadlineMs, nowUs: runner.nowMs() * 1_000 });
  } catch (error) {
    const late = error instanceof UsageTimeout || (error as { code?: unknown }).code === queryCanceled;
    if (!late || meter.backfilledAt) throw error;
    throw unavailable(
      `The meter ${meter.slug} is still being built from the events stored before it: try again, or ask for a shorter time range.`,
      10,
      error,
    );
  }
}

async function allSubjects(tx: Transaction, runner: QueryRunner, found: MeterToRead): Promise<string[]> {
  const subjects = new Set(await generationSubjects(tx, found.meter.generation, rowsMax + 1));
  for await (const cells of runner.deltas.of(tx, found, 'each'))
    for (const subject of cells.subjects) subjects.add(subject);
  if (subjects.size > rowsMax) throw tooManyRows();
  return [...subjects].sort(compareTexts);
}

/** Ids are ULIDs, slugs are shorter than that and of the same letters. */
const idOrSlugForm = /^\w{1,64}$/;

async function findMeter(tx: Transaction, namespace: string, idOrSlug: string): Promise<MeterToRead> {
  const found = idOrSlugForm.test(idOrSlug) ? await getMeterToRead(tx, namespace, idOrSlug) : undefined;
  if (found && !found.meter.deletedAt) return found;
  throw new Problem('not_found', `There is no meter ${JSON.stringify(idOrSlug.slice(0, 64))}.`);
}

function toUsageQuery(meter: StoredMeter, request: QueryRequest): UsageQuery {
  const { fields, source } = request;
  const known = Object.keys(meter.groupBy);
  const meant = (name: string, names: readonly string[]) => {
    const near = nearestName(name, names);
    return `${shownName(name)}${near === undefined ? '' : `; did you mean ${near}?`}`;
  };
  const issues: Issue[] = [];
  for (const name of request.groupBy) {
    if (name === 'subject' || Object.hasOwn(meter.groupBy, name)) continue;
    if (name === customerGroup && request.customerIds !== undefined) continue;
    if (name === customerGroup) {
      const reason = `${customerGroup} needs ${fields.customers}: which customers?`;
      issues.push({ field: fields.groupBy, reason });
      continue;
    }
    issues.push({ field: fields.groupBy, reason: `invalid group by: ${meant(name, ['subject', ...known])}` });
  }
  for (const name of request.filters.keys()) {
    if (Object.hasOwn(meter.groupBy, name)) continue;
    const lead =
      fields.filters === 'filterGroupBy' ? 'invalid group by filter' : 'meter does not have group by';
    issues.push({ field: fields.filters, reason: `${lead}: ${meant(name, known)}` });
  }
  if (request.topN !== undefined && meter.aggregation === 'UNIQUE_COUNT') {
    const reason = 'is not for UNIQUE_COUNT: distinct values that groups share cannot be added up';
    issues.push({ field: 'topN', reason });
  }
  issues.push(...percentileIssues(meter, request));
  if (issues.length > 0) throw invalid('query', issues, source);
  const { fromUs, toUs, windowSize, windowTimeZone, windowAnchor, subjects, groupBy, filters } = request;
  return {
    asOfUs: request.asOfUs,
    fromUs,
    toUs,
    windows: windowSize && { size: windowSize, zone: windowTimeZone, anchor: windowAnchor },
    subjects: subjects?.length ? subjects : undefined,
    groupBySubject: subjects !== undefined || groupBy.includes('subject'),
    groupBy: groupBy.filter((name) => name !== 'subject' && Object.hasOwn(meter.groupBy, name)),
    filters,
  };
}

function subjectsOf(rows: readonly AnswerRow[]): string[] {
  return [...new Set(rows.flatMap(({ subject }) => (subject === undefined ? [] : [subject])))];
}
