import { Type } from '@sinclair/typebox';
import {
  EntitlementWire,
  entitlementExample,
  GrantWire,
  grantExample,
  ValueWire,
  valueExample,
} from './entitlementSchemas.ts';
import { one, operationsOf, ownedRoutes, tag } from './ownedEntitlements.ts';
import {
  EntitlementListQuery,
  EntitlementListV2Query,
  GrantListQuery,
  GrantListV2Query,
  ValueQuery,
} from './queries.ts';
import { type ApiRoute, readers, route, writers } from './route.ts';
import { examplePage, pageOf } from './schemas.ts';

/** v1 lists them all, v2 page by page. */
const v1 = ownedRoutes('/api/v1/subjects/:subjectIdOrKey', {
  entitlements: { schema: Type.Array(EntitlementWire), example: [entitlementExample] },
  grants: { schema: Type.Array(GrantWire), example: [grantExample] },
});
const v2 = ownedRoutes('/api/v2/customers/:customerIdOrKey', {
  entitlements: { schema: pageOf(EntitlementWire), example: examplePage(entitlementExample) },
  grants: { schema: pageOf(GrantWire), example: examplePage(grantExample) },
});

export const entitlementRoutes = {
  ...operationsOf<ApiRoute>(v1, v2),
  listEntitlements: route('GET /api/v1/entitlements', readers, {
    tag,
    summary: 'List all entitlements',
    query: EntitlementListQuery,
    answer: {
      description: 'The entitlements.',
      schema: Type.Array(EntitlementWire),
      example: [entitlementExample],
    },
    problems: [400],
  }),
  getEntitlement: route('GET /api/v1/entitlements/:entitlementId', readers, {
    tag,
    summary: 'Get an entitlement by its id',
    answer: one,
    problems: [404],
  }),
  listEntitlementsV2: route('GET /api/v2/entitlements', readers, {
    tag,
    summary: 'List all entitlements',
    query: EntitlementListV2Query,
    answer: {
      description: 'A page.',
      schema: pageOf(EntitlementWire),
      example: examplePage(entitlementExample),
    },
    problems: [400],
  }),
  getEntitlementByIdV2: route('GET /api/v2/entitlements/:entitlementId', readers, {
    tag,
    summary: 'Get an entitlement by its id',
    answer: one,
    problems: [404],
  }),
  listGrants: route('GET /api/v1/grants', readers, {
    tag,
    summary: 'List all grants',
    query: GrantListQuery,
    answer: { description: 'The grants.', schema: Type.Array(GrantWire), example: [grantExample] },
    problems: [400],
  }),
  listGrantsV2: route('GET /api/v2/grants', readers, {
    tag,
    summary: 'List all grants',
    query: GrantListV2Query,
    answer: { description: 'A page.', schema: pageOf(GrantWire), example: examplePage(grantExample) },
    problems: [400],
  }),
  voidGrant: route('DELETE /api/v1/grants/:grantId', writers, {
    tag,
    summary: 'Void a grant',
    description: 'What was used of it stays used; the rest is gone from now on.',
    problems: [404, 409],
  }),
  getCustomerEntitlementValue: route(
    'GET /api/v1/customers/:customerIdOrKey/entitlements/:featureKey/value',
    readers,
    {
      tag,
      summary: 'Check an entitlement of a customer',
      query: ValueQuery,
      answer: { description: 'Whether it may be used.', schema: ValueWire, example: valueExample },
      problems: [404],
    },
  ),
  getCustomerAccess: route('GET /api/v1/customers/:customerIdOrKey/access', readers, {
    tag,
    summary: 'Check all entitlements of a customer',
    answer: {
      description: 'By key of the feature.',
      schema: Type.Object({ entitlements: Type.Record(Type.String(), ValueWire) }),
      example: { entitlements: { api_calls: valueExample } },
    },
    problems: [404],
  }),
};
