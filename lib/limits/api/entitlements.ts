import { Type } from '@sinclair/typebox';
import {
  EntitlementWire,
  entitlementExample,
  entitlementOrders,
  GrantWire,
  grantExample,
  grantOrders,
  ValueWire,
  valueExample,
} from './entitlementSchemas.ts';
import { offsetParameters } from './features.ts';
import { one, ownedRoutes, tag } from './ownedEntitlements.ts';
import { readers, route, writers } from './route.ts';
import { examplePage, flag, orderParameters, pageOf, pageParameters, texts } from './schemas.ts';

/** v1 lists them all, v2 page by page. */
const v1 = ownedRoutes('/api/v1/subjects/:subjectIdOrKey', {
  entitlements: { schema: Type.Array(EntitlementWire), example: [entitlementExample] },
  grants: { schema: Type.Array(GrantWire), example: [grantExample] },
});
const v2 = ownedRoutes('/api/v2/customers/:customerIdOrKey', {
  entitlements: { schema: pageOf(EntitlementWire), example: examplePage(entitlementExample) },
  grants: { schema: pageOf(GrantWire), example: examplePage(grantExample) },
});

const listParameters = [
  ...pageParameters,
  ...offsetParameters,
  ...orderParameters(entitlementOrders),
  texts('feature', 'Keys or ids of features.'),
  texts('entitlementType', 'metered, static, boolean.'),
  flag('excludeInactive', 'Only those that are active now; deleted ones are never listed here.'),
];
const grantParameters = [
  ...pageParameters,
  ...offsetParameters,
  ...orderParameters(grantOrders),
  texts('feature', 'Keys of features.'),
  flag('includeDeleted', 'Voided ones too.'),
];

export const entitlementRoutes = {
  createEntitlement: v1.create,
  listSubjectEntitlements: v1.list,
  getSubjectEntitlement: v1.get,
  deleteEntitlement: v1.delete,
  overrideEntitlement: v1.override,
  getEntitlementValue: v1.value,
  getEntitlementHistory: v1.history,
  resetEntitlementUsage: v1.reset,
  createGrant: v1.createGrant,
  listEntitlementGrants: v1.listGrants,
  createCustomerEntitlementV2: v2.create,
  listCustomerEntitlementsV2: v2.list,
  getCustomerEntitlementV2: v2.get,
  deleteCustomerEntitlementV2: v2.delete,
  overrideCustomerEntitlementV2: v2.override,
  getCustomerEntitlementValueV2: v2.value,
  getCustomerEntitlementHistoryV2: v2.history,
  resetCustomerEntitlementUsageV2: v2.reset,
  createCustomerEntitlementGrantV2: v2.createGrant,
  listCustomerEntitlementGrantsV2: v2.listGrants,
  listEntitlements: route('GET /api/v1/entitlements', readers, {
    tag,
    summary: 'List all entitlements',
    parameters: [...listParameters, texts('subject', 'Keys of subjects.')],
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
    parameters: [
      ...listParameters,
      texts('customerKeys', 'Keys of customers.'),
      texts('customerIds', 'Ids of customers.'),
    ],
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
    parameters: [...grantParameters, texts('subject', 'Keys of subjects.')],
    answer: { description: 'The grants.', schema: Type.Array(GrantWire), example: [grantExample] },
    problems: [400],
  }),
  listGrantsV2: route('GET /api/v2/grants', readers, {
    tag,
    summary: 'List all grants',
    parameters: [...grantParameters, texts('customer', 'Ids or keys of customers.')],
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
