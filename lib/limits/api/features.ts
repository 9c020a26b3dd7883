import { type Static, Type } from '@sinclair/typebox';
import { FeatureListQuery } from './queries.ts';
import { readers, route, writers } from './route.ts';
import { closed, exampleId, exampleTime, Id, Metadata, managed, Name, Nullable } from './schemas.ts';

export const FeatureKey = Type.String({
  minLength: 1,
  maxLength: 64,
  pattern: '^[a-z0-9]+(?:_[a-z0-9]+)*$',
  examples: ['api_calls'],
});

const fields = {
  key: FeatureKey,
  name: Name,
  metadata: Nullable(Metadata),
  meterSlug: Nullable(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'The meter that measures its usage, of any aggregation.',
    }),
  ),
  meterGroupByFilters: Nullable(
    Type.Record(Type.String(), Type.String({ maxLength: 1_024 }), {
      description: 'Only usage with these group values counts.',
      examples: [{ model: 'large' }],
    }),
  ),
  advancedMeterGroupByFilters: Nullable(
    Type.Record(Type.String(), Type.Record(Type.String(), Type.Unknown()), {
      description: 'The same with operators; not together with meterGroupByFilters.',
      examples: [{ model: { $in: ['large', 'huge'] } }],
    }),
  ),
  unitCost: Nullable(Type.Record(Type.String(), Type.Unknown(), { description: 'Kept as given.' })),
};

export const FeatureInput = closed(fields);
export type FeatureInput = Static<typeof FeatureInput>;

const { createdAt, updatedAt } = managed;
export const FeatureWire = Type.Object({
  id: Id,
  ...fields,
  createdAt,
  updatedAt,
  archivedAt: Type.Optional(Type.String({ format: 'date-time' })),
});

const given = {
  key: 'api_calls',
  name: 'API calls',
  meterSlug: 'api_calls',
  meterGroupByFilters: { kind: 'billable' },
};
export const featureExample = { id: exampleId, ...given, createdAt: exampleTime, updatedAt: exampleTime };

const tag = 'Features';
const one = { description: 'The feature.', schema: FeatureWire, example: featureExample };

export const featureRoutes = {
  createFeature: route('POST /api/v1/features', writers, {
    tag,
    summary: 'Create a feature',
    description: 'Features are not changed: archive one and create another with the same key.',
    body: { schema: FeatureInput, example: given },
    answer: { ...one, status: 201 },
    problems: [409],
  }),
  listFeatures: route('GET /api/v1/features', readers, {
    tag,
    summary: 'List features',
    description: 'An array, or a page where `page` or `pageSize` is given.',
    query: FeatureListQuery,
    answer: { description: 'The features.', schema: Type.Array(FeatureWire), example: [featureExample] },
    problems: [400],
  }),
  getFeature: route('GET /api/v1/features/:featureId', readers, {
    tag,
    summary: 'Get a feature',
    description: 'By id or key.',
    answer: one,
    problems: [404],
  }),
  deleteFeature: route('DELETE /api/v1/features/:featureId', writers, {
    tag,
    summary: 'Archive a feature',
    description: 'Entitlements to it stay as they are; new ones are not possible.',
    problems: [404],
  }),
};
