import type { TSchema } from '@sinclair/typebox';
import {
  EntitlementInput,
  EntitlementWire,
  entitlementExample,
  entitlementGiven,
  GrantInput,
  GrantWire,
  grantExample,
  grantGiven,
  HistoryWire,
  historyExample,
  ResetInput,
  ValueWire,
  valueExample,
} from './entitlementSchemas.ts';
import { HistoryQuery, OwnedEntitlementListQuery, OwnedGrantListQuery, ValueQuery } from './queries.ts';
import { type ApiRoute, readers, route, writers } from './route.ts';

export const tag = 'Entitlements';
export const one = { description: 'The entitlement.', schema: EntitlementWire, example: entitlementExample };
const oneGrant = { description: 'The grant.', schema: GrantWire, example: grantExample };

interface Listed {
  schema: TSchema;
  example: unknown;
}

/** The routes of one owner's entitlements; the same for subjects (v1) and customers (v2). */
export function ownedRoutes(base: `/${string}`, listed: { entitlements: Listed; grants: Listed }) {
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
      query: OwnedEntitlementListQuery,
      answer: { description: 'The entitlements.', ...listed.entitlements },
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
      query: ValueQuery,
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
      query: HistoryQuery,
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
    ...grantRoutes(`${single}/grants`, listed.grants),
  } satisfies Record<string, ApiRoute>;
}

function grantRoutes<Path extends `/${string}`>(path: Path, listed: Listed) {
  return {
    createGrant: route(`POST ${path}`, writers, {
      tag,
      summary: 'Grant an amount',
      body: { schema: GrantInput, example: grantGiven },
      answer: { ...oneGrant, status: 201 },
      problems: [404],
    }),
    listGrants: route(`GET ${path}`, readers, {
      tag,
      summary: 'List the grants of an entitlement',
      query: OwnedGrantListQuery,
      answer: { description: 'The grants.', ...listed },
      problems: [400, 404],
    }),
  } satisfies Record<string, ApiRoute>;
}

type OwnedOperation = keyof ReturnType<typeof ownedRoutes>;

/** OpenMeter has the same operations twice, under other names. */
export function operationsOf<T>(v1: Record<OwnedOperation, T>, v2: Record<OwnedOperation, T>) {
  return {
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
  };
}
