import type { Static } from '@sinclair/typebox';
import type { Executor } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, getCustomer } from '@usage/db/limits/customers.ts';
import { getEntitlement } from '@usage/db/limits/entitlements.ts';
import { getGrant, listGrants } from '@usage/db/limits/grants.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import {
  EntitlementListQuery,
  EntitlementListV2Query,
  GrantListQuery,
  GrantListV2Query,
  wantsPage,
  windowOf,
} from '@usage/lib/limits/api/queries.ts';
import { type Ask, pageAnswer } from '../http/ask.ts';
import * as change from './change.ts';
import { listed } from './listed.ts';
import { noEntitlement, stateOf } from './owner.ts';
import type { WireVersion } from './rules.ts';
import { type EntitlementParts, valueAnswer } from './valueAnswer.ts';
import { entitlementWire, grantWire } from './wire.ts';

const nowUs = () => Date.now() * 1_000;

/** Lists over all owners, single ones by id, and grants. */
export function entitlementHandlers(parts: EntitlementParts) {
  const { sql } = parts;
  const get = (version: WireVersion) => async (ask: Ask) => {
    const entitlement = await getEntitlement(sql, ask.namespace, ask.params.entitlementId!);
    if (!entitlement) throw noEntitlement(ask.params.entitlementId!);
    return entitlementWire(await stateOf(sql, entitlement), version, nowUs());
  };
  const list = async ({ namespace, request }: Ask) => {
    const query = readParameters(EntitlementListQuery, request);
    const { items, total } = await listed(sql, namespace, await listingOf(sql, namespace, query), 'v1');
    return wantsPage(query) ? pageAnswer(windowOf(query), total, items) : items;
  };
  const listV2 = async ({ namespace, request }: Ask) => {
    const query = readParameters(EntitlementListV2Query, request);
    const listing = {
      ...(await listingOf(sql, namespace, query)),
      customerIds: await idsOfCustomers(sql, namespace, query.customerIds),
      customerKeys: query.customerKeys,
    };
    const { items, total } = await listed(sql, namespace, listing, 'v2');
    return pageAnswer(windowOf(query), total, items);
  };
  const grantsOf = async (
    { namespace }: Ask,
    query: Static<typeof GrantListQuery> | Static<typeof GrantListV2Query>,
    customerIds: string[] | undefined,
  ) => {
    const { orderBy = 'createdAt', order = 'ASC', includeDeleted = false, feature: featureKeys } = query;
    const listing = { ...windowOf(query), orderBy, order, includeDeleted, featureKeys, customerIds };
    const { grants, total } = await listGrants(sql, namespace, listing);
    return { items: grants.map((grant) => grantWire(grant, nowUs())), total };
  };
  return {
    getEntitlement: get('v1'),
    getEntitlementByIdV2: get('v2'),
    listEntitlements: list,
    listEntitlementsV2: listV2,
    async listGrants(ask: Ask) {
      const query = readParameters(GrantListQuery, ask.request);
      const { items, total } = await grantsOf(
        ask,
        query,
        await idsOfSubjects(sql, ask.namespace, query.subject),
      );
      return wantsPage(query) ? pageAnswer(windowOf(query), total, items) : items;
    },
    async listGrantsV2(ask: Ask) {
      const query = readParameters(GrantListV2Query, ask.request);
      const { items, total } = await grantsOf(
        ask,
        query,
        await idsOfCustomers(sql, ask.namespace, query.customer),
      );
      return pageAnswer(windowOf(query), total, items);
    },
    getCustomerEntitlementValue: (ask: Ask) => valueAnswer(parts, ask),
    async voidGrant(ask: Ask) {
      const grant = await getGrant(sql, ask.namespace, ask.params.grantId!);
      if (!grant) throw new Problem('not_found', 'There is no such grant.');
      await sql.begin((tx) => change.endGrant(tx, ask, grant));
      return undefined;
    },
  };
}

/** What both lists of entitlements take; v1 names subjects. */
async function listingOf(
  sql: Executor,
  namespace: string,
  query: Static<typeof EntitlementListQuery> | Static<typeof EntitlementListV2Query>,
) {
  const { orderBy = 'createdAt', order = 'ASC', feature: features, entitlementType: types } = query;
  const customerIds = 'subject' in query ? await idsOfSubjects(sql, namespace, query.subject) : undefined;
  return { ...windowOf(query), orderBy, order, includeDeleted: false, types, features, customerIds } as const;
}

/** Of the customers that have the subjects; undefined = any. */
async function idsOfSubjects(sql: Executor, namespace: string, subjects: string[] | undefined) {
  if (!subjects) return undefined;
  const found = await customersOfSubjects(sql, namespace, subjects);
  return [...new Set([...found.values()].map(({ id }) => id))];
}

/** Of customers that are named by id or key; undefined = any. */
async function idsOfCustomers(sql: Executor, namespace: string, idsOrKeys: string[] | undefined) {
  if (!idsOrKeys) return undefined;
  const found = await Promise.all(idsOrKeys.map((idOrKey) => getCustomer(sql, namespace, idOrKey)));
  return found.flatMap((customer) => (customer ? [customer.id] : []));
}
