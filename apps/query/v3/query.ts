import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { TextFilter } from '@usage/lib/filter/textFilter.ts';
import { invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { customerGroup } from '@usage/lib/queryApi/meterQuery.ts';
import { granularities, readDimensionFilter, V3QueryBody } from '@usage/lib/queryApi/v3Query.ts';
import { type QueryRequest, readRange } from '../meters/request.ts';
import type { Answer, Answered } from '../meters/service.ts';

/** OpenMeter's v3 MeterQueryRequest. Problems: 400 that names every issue. */
export function readV3Query(body: unknown): QueryRequest {
  const { from, to, granularity, time_zone, group_by_dimensions, filters } = readBodyAs(
    'query',
    V3QueryBody,
    body,
  );
  const { issues, fromUs, toUs } = readRange(from, to);
  const listed = new Map<string, string[]>();
  const read = new Map<string, TextFilter>();
  for (const [name, json] of Object.entries(filters?.dimensions ?? {})) {
    const filter = readDimensionFilter(json);
    if (name !== 'subject' && name !== customerGroup) read.set(name, filter);
    else if (filter.operator === 'eq' && 'eq' in json) listed.set(name, [filter.value]);
    else if (filter.operator === 'in') listed.set(name, [...new Set(filter.values)]);
    else issues.push({ field: `filters.dimensions.${name}`, reason: 'takes eq or in' });
  }
  if (issues.length > 0) throw invalid('query', issues);
  return {
    fromUs,
    toUs,
    windowSize: granularity && granularities[granularity],
    windowTimeZone: time_zone || 'UTC',
    windowAnchor: undefined,
    asOfUs: undefined,
    topN: undefined,
    percentile: undefined,
    subjects: listed.get('subject'),
    customerIds: listed.get(customerGroup),
    groupBy: [...new Set(group_by_dimensions)],
    filters: read,
    fields: {
      groupBy: 'group_by_dimensions',
      filters: 'filters.dimensions',
      customers: 'filters.dimensions.customer_id',
    },
    source: 'body',
  };
}

/** OpenMeter's v3 MeterQueryResult: exact values as texts. */
export function presentV3({ request, query, rows }: Answered): Answer {
  const answer = {
    ...(request.fromUs !== undefined && { from: formatTimeUs(request.fromUs) }),
    ...(request.toUs !== undefined && { to: formatTimeUs(request.toUs) }),
    data: rows.map(({ fromUs, toUs, subject, customerId, groups, value }) => ({
      value: formatDecimal(value),
      from: formatTimeUs(fromUs),
      to: formatTimeUs(toUs),
      dimensions: {
        ...(subject !== undefined && { subject }),
        ...(customerId !== undefined && { customer_id: customerId }),
        ...Object.fromEntries(query.groupBy.map((name, i) => [name, groups[i]!])),
      },
    })),
  };
  return { body: JSON.stringify(answer), headers: { 'Content-Type': 'application/json' } };
}
