import type { Static } from '@sinclair/typebox';
import { parseTimeUs } from '../event/time.ts';
import type { Issue, Read } from '../validation/issue.ts';
import { inOrderOf, issuesOf } from '../validation/issuesOf.ts';
import { isJsonObject } from '../validation/text.ts';
import type { EventFilters } from './eventFilters.ts';
import { MeterCreate, MeterUpdateBody, pathIssue } from './fields.ts';
import { type Aggregation, aggregations, isLevel, type TimeUnit } from './meter.ts';

/**
 * What makes a meter's definition valid: OpenMeter's api/openapi.yaml and, where the two differ, its
 * openmeter/meter/meter.go (a COUNT takes no valueProperty). Stricter than both in what could only be a mistake:
 * unknown fields, paths that can't be evaluated, group-by names that a query could not tell from the subject.
 */
export interface MeterDefinition {
  slug: string;
  name: string;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  eventType: string;
  /** Events before it don't count; µs since 1970. */
  eventFromUs: number | undefined;
  aggregation: Aggregation;
  valueProperty: string | undefined;
  /** Arithmetic over JSONPaths in its place. */
  valueExpression?: string | undefined;
  /** Which events of the type count; undefined = all. */
  filters?: EventFilters | undefined;
  /** Of WEIGHTED_SUM and WEIGHTED_LATEST; undefined = SECOND. */
  timeUnit?: TimeUnit | undefined;
  groupBy: Record<string, string>;
}

/** A replacement of what can change; `description` left out stays as it is, as with OpenMeter's server. */
export interface MeterUpdate {
  name: string | undefined;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  groupBy: Record<string, string>;
}

/** A new meter from parsed JSON or YAML, or every issue of it. */
export function readMeterDefinition(input: unknown): Read<MeterDefinition> {
  if (!isJsonObject(input)) return { issues: [{ field: '', reason: 'expected a meter (a JSON object)' }] };
  const issues = inOrderOf(MeterCreate, [...issuesOf(MeterCreate, input), ...valueIssues(input)]);
  if (issues.length > 0) return { issues };
  const { slug, name, eventFrom, groupBy = {}, ...rest } = input as Static<typeof MeterCreate>;
  return {
    value: {
      slug,
      name: name ?? slug,
      description: rest.description,
      metadata: rest.metadata ?? undefined,
      eventType: rest.eventType,
      eventFromUs: eventFrom === undefined ? undefined : parseTimeUs(eventFrom),
      aggregation: rest.aggregation,
      valueProperty: rest.valueProperty,
      valueExpression: rest.valueExpression,
      timeUnit: rest.timeUnit,
      filters: Object.keys(rest.filters ?? {}).length === 0 ? undefined : rest.filters!,
      groupBy,
    },
  };
}

/** The replacement of a meter's changeable fields, held against the `valueProperty` that it keeps. */
export function readMeterUpdate(input: unknown, valueProperty: string | undefined): Read<MeterUpdate> {
  const issues = [...issuesOf(MeterUpdateBody, input), ...groupingIssues(input, valueProperty)];
  if (issues.length > 0) return { issues };
  const { name, description, groupBy = {}, metadata } = input as Static<typeof MeterUpdateBody>;
  return { value: { name, description, metadata: metadata ?? undefined, groupBy } };
}

/** A meter has a valueProperty or a valueExpression, a COUNT neither; and what is measured is no group. */
function valueIssues(input: Record<string, unknown>): Issue[] {
  const { aggregation, valueProperty, valueExpression } = input;
  const issues = groupingIssues(input, valueProperty);
  const isKnown = (aggregations as readonly unknown[]).includes(aggregation);
  const isGiven = valueProperty !== undefined || valueExpression !== undefined;
  const add = (field: string, reason: string) => issues.push({ field, reason });
  if (valueProperty !== undefined && valueExpression !== undefined)
    add('valueExpression', 'cannot be given together with valueProperty');
  else if (isGiven && aggregation === 'COUNT') {
    const field = valueProperty === undefined ? 'valueExpression' : 'valueProperty';
    add(field, 'is not allowed when the aggregation is COUNT');
  } else if (!isGiven && isKnown && aggregation !== 'COUNT')
    add('valueProperty', `is required when the aggregation is ${aggregation}`);
  if (input.timeUnit !== undefined && isKnown && !isLevel(aggregation as Aggregation))
    add('timeUnit', 'is only for the aggregations WEIGHTED_SUM and WEIGHTED_LATEST');
  return issues;
}

function groupingIssues(input: unknown, valueProperty: unknown): Issue[] {
  const groupBy = isJsonObject(input) ? input.groupBy : undefined;
  if (!isJsonObject(groupBy) || typeof valueProperty !== 'string' || pathIssue(valueProperty)) return [];
  return Object.entries(groupBy)
    .filter(([, one]) => one === valueProperty)
    .map(([name]) => ({ field: `groupBy.${name}`, reason: 'must differ from valueProperty' }));
}
