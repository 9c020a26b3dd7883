import { type TSchema, Type } from '@sinclair/typebox';
import { parameter } from '../../http/documentation.ts';
import {
  EntitlementInput,
  EntitlementWire,
  entitlementExample,
  entitlementGiven,
  entitlementOrders,
  GrantInput,
  GrantWire,
  grantExample,
  grantGiven,
  grantOrders,
  HistoryWire,
  historyExample,
  literals,
  ResetInput,
  ValueWire,
  valueExample,
} from './entitlementSchemas.ts';
import { offsetParameters } from './features.ts';
import { type ApiRoute, readers, route, writers } from './route.ts';
import { examplePage, flag, orderParameters, pageOf, pageParameters, Time, texts } from './schemas.ts';

const tag = 'Entitlements';
const one = { description: 'The entitlement.', schema: EntitlementWire, example: entitlementExample };
const oneGrant = { description: 'The grant.', schema: GrantWire, example: grantExample };

const historyParameters = [
  parameter('query', 'from', Time('Start.'), 'The start of the current usage period where it is left out.'),
  parameter('query', 'to', Time('End.'), 'Now where it is left out.'),
  parameter(
    'query',
    'windowSize',
    literals(['MINUTE', 'HOUR', 'DAY', 'MONTH']),
    'Length of the windows; needed.',
  ),
  parameter('query', 'windowTimeZone', Type.String({ default: 'UTC' }), 'Zone of the windows.'),
];

/** The routes of one owner's entitlements; the same for subjects (v1) and customers (v2). */
function ownedRoutes(base: `/${string}`, listed: { schema: TSchema; example: unknown }) {
  const all = `${base}/entitlements` as const;
  const single = `${all}/:entitlementIdOrFeatureKey` as const;
  return {
    create: route(`POST ${all}`, writers, {
      tag,
      summary: 'Create an entitlement',
      body: { schema: EntitlementInput, example: entitlementGiven },
      answer: { ...one, status: 201 },
      problems: [404, 409],
    }),
    list: route(`GET ${all}`, readers, {
      tag,
      summary: 'List entitlements',
      parameters: [
        flag('includeDeleted', 'Deleted ones too.'),
        ...pageParameters,
        ...orderParameters(entitlementOrders),
      ],
      answer: { description: 'The entitlements.', ...listed },
      problems: [400, 404],
    }),
    get: route(`GET ${single}`, readers, {
      tag,
      summary: 'Get an entitlement',
      answer: one,
      problems: [404],
    }),
    delete: route(`DELETE ${single}`, writers, {
      tag,
      summary: 'End an entitlement',
      description: 'Usage and history stay.',
      problems: [404],
    }),
    override: route(`PUT ${single}/override`, writers, {
      tag,
      summary: 'Replace an entitlement',
      description: 'Ends it and begins another one for the same feature at the same instant.',
      body: { schema: EntitlementInput, example: entitlementGiven },
      answer: { ...one, status: 201 },
      problems: [404, 409],
    }),
    value: route(`GET ${single}/value`, readers, {
      tag,
      summary: 'Check an entitlement',
      description:
        'Includes every event that is committed; Usage-As-Of says up to which arrival that is all. `Prefer: wait=N` waits for what was accepted before.',
      parameters: [parameter('query', 'time', Time('When.'), 'Now where it is left out.')],
      answer: {
        description: 'Whether it may be used, and how much is left.',
        schema: ValueWire,
        example: valueExample,
      },
      problems: [400, 404],
    }),
    history: route(`GET ${single}/history`, readers, {
      tag,
      summary: 'Balance and usage over time',
      parameters: historyParameters,
      answer: {
        description: 'By window, and by what changed.',
        schema: HistoryWire,
        example: historyExample,
      },
      problems: [400, 404],
    }),
    reset: route(`POST ${single}/reset`, writers, {
      tag,
      summary: 'Begin a new usage period',
      body: { schema: ResetInput, example: { retainAnchor: true } },
      problems: [404, 409],
    }),
    createGrant: route(`POST ${single}/grants`, writers, {
      tag,
      summary: 'Grant an amount',
      body: { schema: GrantInput, example: grantGiven },
      answer: { ...oneGrant, status: 201 },
      problems: [404],
    }),
    listGrants: route(`GET ${single}/grants`, readers, {
      tag,
      summary: 'List the grants of an entitlement',
      parameters: [
        flag('includeDeleted', 'Voided ones too.'),
        ...pageParameters,
        ...orderParameters(grantOrders),
      ],
      answer: { description: 'The grants.', schema: Type.Array(GrantWire), example: [grantExample] },
      problems: [400, 404],
    }),
  } satisfies Record<string, ApiRoute>;
}

/** v1 lists them all, v2 page by page. */
const v1 = ownedRoutes('/api/v1/subjects/:subjectIdOrKey', {
  schema: Type.Array(EntitlementWire),
  example: [entitlementExample],
});
const v2 = ownedRoutes('/api/v2/customers/:customerIdOrKey', {
  schema: pageOf(EntitlementWire),
  example: examplePage(entitlementExample),
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
