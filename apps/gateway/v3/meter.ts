import type { Meter } from '../meters/model.ts';

/** OpenMeter's v3 meters, told in v1's words and back. What is wrong is named by v1's rules. */
const createFields: Record<string, string> = {
  key: 'slug',
  name: 'name',
  description: 'description',
  event_type: 'eventType',
  events_from: 'eventFrom',
  value_property: 'valueProperty',
  value_expression: 'valueExpression',
  filters: 'filters',
  dimensions: 'groupBy',
  labels: 'metadata',
  aggregation: 'aggregation',
};

export function fromV3(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      const v1Name = Object.hasOwn(createFields, name) ? createFields[name]! : name;
      return [v1Name, name === 'aggregation' && typeof value === 'string' ? value.toUpperCase() : value];
    }),
  );
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
    ...(meter.filters && { filters: meter.filters }),
    ...(groupBy && { dimensions: groupBy }),
    created_at: meter.createdAt,
    updated_at: meter.updatedAt,
    ...(meter.deletedAt !== undefined && { deleted_at: meter.deletedAt }),
  };
}
