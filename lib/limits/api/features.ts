import { type Static, Type } from '@sinclair/typebox';
import { parameter } from '../../http/documentation.ts';
import { readers, route, writers } from './route.ts';
import {
  closed,
  exampleId,
  exampleTime,
  flag,
  Id,
  Metadata,
  managed,
  Name,
  Nullable,
  orderParameters,
  pageParameters,
  pageSizeMax,
  texts,
} from './schemas.ts';

export const featureOrders = ['id', 'key', 'name', 'createdAt', 'updatedAt'] as const;

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

export const offsetParameters = [
  parameter(
    'query',
    'limit',
    Type.Integer({ minimum: 1, maximum: pageSizeMax }),
    'Without page: items at most.',
  ),
  parameter('query', 'offset', Type.Integer({ minimum: 0 }), 'Without page: items left out.'),
];

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
    parameters: [
      ...pageParameters,
      ...offsetParameters,
      ...orderParameters(featureOrders),
      flag('includeArchived', 'Archived features too.'),
      texts('meterSlug', 'Features of these meters only.'),
    ],
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
