import type { TObject } from '@sinclair/typebox';
import { readBodyAs } from '@usage/lib/http/invalid.ts';
import type { Meter } from '../meters/model.ts';

/** v3's names of a meter's fields, and v1's. */
const v1Names: Readonly<Record<string, string>> = {
  key: 'slug',
  event_type: 'eventType',
  events_from: 'eventFrom',
  value_property: 'valueProperty',
  value_expression: 'valueExpression',
  time_unit: 'timeUnit',
  dimensions: 'groupBy',
  labels: 'metadata',
};
const v3Names = new Map(Object.entries(v1Names).map(([v3, v1]) => [v1, v3]));

/** A body of v3 in v1's words. Problems: 400 with every issue, in v3's. */
export function fromV3(schema: TObject, body: unknown): unknown {
  return Object.fromEntries(
    Object.entries(readBodyAs('meter', schema, body)).map(([name, value]) => [
      v1Names[name] ?? name,
      name === 'aggregation' ? (value as string).toUpperCase() : value,
    ]),
  );
}

/** The field of an issue in v3's words. */
export function v3Name(field: string): string {
  const [name = ''] = /^[^.[]*/.exec(field) ?? [];
  return (v3Names.get(name) ?? name) + field.slice(name.length);
}

export function toV3(meter: Meter) {
  const { id, slug, name, description, metadata, eventType, eventFrom, aggregation, valueProperty, groupBy } =
    meter;
  return {
    id,
    key: slug,
    name,
    ...(description !== undefined && { description }),
    ...(metadata && { labels: metadata }),
    aggregation: aggregation.toLowerCase(),
    event_type: eventType,
    ...(eventFrom !== undefined && { events_from: eventFrom }),
    ...(valueProperty !== undefined && { value_property: valueProperty }),
    ...(meter.valueExpression !== undefined && { value_expression: meter.valueExpression }),
    ...(meter.timeUnit !== undefined && { time_unit: meter.timeUnit }),
    ...(meter.filters && { filters: meter.filters }),
    ...(groupBy && { dimensions: groupBy }),
    created_at: meter.createdAt,
    updated_at: meter.updatedAt,
    ...(meter.deletedAt !== undefined && { deleted_at: meter.deletedAt }),
  };
}
