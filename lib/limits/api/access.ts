import { Type } from '@sinclair/typebox';
import { customerExample } from './customers.ts';
import { readers, route } from './route.ts';
import { closed, exampleTime, Time } from './schemas.ts';

export const customersPerQueryMax = 100;
export const featuresPerQueryMax = 100;

const keys = (itemsMax: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 1_024 }), { minItems: 1, maxItems: itemsMax });

export const AccessQuery = closed({
  include_credits: Type.Optional(
    Type.Boolean({ description: 'There is no billing here, so no credit is ever missing: ignored.' }),
  ),
  customer: closed({ keys: keys(customersPerQueryMax) }, 'Keys of customers, or of their subjects.'),
  feature: Type.Optional(
    closed({ keys: keys(featuresPerQueryMax) }, 'All features where it is left out, up to 100.'),
  ),
});

const Reason = Type.Object({
  code: Type.String({ description: 'usage_limit_reached, feature_unavailable, feature_not_found' }),
  message: Type.String(),
});

const Answer = Type.Object({
  data: Type.Array(
    Type.Object({
      matched: Type.Array(Type.String(), { description: 'The identifiers that name this customer.' }),
      customer: Type.Unknown({ description: 'The customer.' }),
      features: Type.Record(
        Type.String(),
        Type.Object({ has_access: Type.Boolean(), reason: Type.Optional(Reason) }),
      ),
      updated_at: Time('When it was checked.'),
    }),
  ),
  errors: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), customer: Type.String() })),
  meta: Type.Object({ page: Type.Object({ size: Type.Integer() }) }),
});

export const accessRoutes = {
  queryEntitlementAccess: route('POST /api/v3/openmeter/entitlement-access/query', readers, {
    tag: 'Entitlements',
    summary: 'Check many customers and features at once',
    description: 'All of one instant; what gateways and plugins poll.',
    body: {
      schema: AccessQuery,
      example: { customer: { keys: ['acme'] }, feature: { keys: ['api_calls', 'exports'] } },
    },
    answer: {
      description: 'An entry for each customer.',
      schema: Answer,
      example: {
        data: [
          {
            matched: ['acme'],
            customer: { id: customerExample.id, key: 'acme', name: 'ACME Inc.' },
            features: {
              api_calls: { has_access: true },
              exports: {
                has_access: false,
                reason: {
                  code: 'feature_unavailable',
                  message: 'The customer has no entitlement to exports.',
                },
              },
            },
            updated_at: exampleTime,
          },
        ],
        errors: [],
        meta: { page: { size: 1 } },
      },
    },
  }),
};
