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
import { type ApiRoute, readers, route, writers } from './route.ts';
import { flag, orderParameters, pageParameters, Time } from './schemas.ts';

export const tag = 'Entitlements';
export const one = { description: 'The entitlement.', schema: EntitlementWire, example: entitlementExample };
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
      parameters: [
        flag('includeDeleted', 'Deleted ones too.'),
        ...pageParameters,
        ...orderParameters(entitlementOrders),
      ],
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
      answer: { description: 'The grants.', ...listed.grants },
      problems: [400, 404],
    }),
  } satisfies Record<string, ApiRoute>;
}
