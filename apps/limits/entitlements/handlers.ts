import type { Executor } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, getCustomer } from '@usage/db/limits/customers.ts';
import { getEntitlement } from '@usage/db/limits/entitlements.ts';
import { getGrant, listGrants } from '@usage/db/limits/grants.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import {
  entitlementOrders,
  entitlementTypes,
  grantOrders,
} from '@usage/lib/limits/api/entitlementSchemas.ts';
import { type Ask, pageAnswer, QueryReader, wantsPage } from '../http/ask.ts';
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
  const list = (version: WireVersion) => async (ask: Ask) => {
    const read = new QueryReader(ask.query);
    const window = read.window();
    const order = read.order(entitlementOrders, 'createdAt');
    const types = read.texts('entitlementType');
    const unknown = types?.find((type) => !entitlementTypes.some((known) => known === type));
    const listing = {
      ...window,
      ...order,
      includeDeleted: false,
      types,
      features: read.texts('feature'),
      customerIds: await customerIdsOf(sql, ask.namespace, read, version),
      customerKeys: version === 'v2' ? read.texts('customerKeys') : undefined,
    };
    read.done();
    if (unknown !== undefined)
      throw invalid('query', [
        { field: 'entitlementType', reason: `must be one of ${entitlementTypes.join(', ')}` },
      ]);
    const { items, total } = await listed(sql, ask.namespace, listing, version);
    return version === 'v2' || wantsPage(ask.query) ? pageAnswer(window, total, items) : items;
  };
  const grants = (version: WireVersion) => async (ask: Ask) => {
    const read = new QueryReader(ask.query);
    const window = read.window();
    const listing = {
      ...window,
      ...read.order(grantOrders, 'createdAt'),
      includeDeleted: read.flag('includeDeleted'),
      featureKeys: read.texts('feature'),
      customerIds: await customerIdsOf(sql, ask.namespace, read, version),
    };
    read.done();
    const found = await listGrants(sql, ask.namespace, listing);
    const items = found.grants.map((grant) => grantWire(grant, nowUs()));
    return version === 'v2' || wantsPage(ask.query) ? pageAnswer(window, found.total, items) : items;
  };
  return {
    getEntitlement: get('v1'),
    getEntitlementByIdV2: get('v2'),
    listEntitlements: list('v1'),
    listEntitlementsV2: list('v2'),
    listGrants: grants('v1'),
    listGrantsV2: grants('v2'),
    getCustomerEntitlementValue: (ask: Ask) => valueAnswer(parts, ask),
    async voidGrant(ask: Ask) {
      const grant = await getGrant(sql, ask.namespace, ask.params.grantId!);
      if (!grant) throw new Problem('not_found', 'There is no such grant.');
      await sql.begin((tx) => change.endGrant(tx, ask, grant));
      return undefined;
    },
  };
}

/** v1 names subjects, v2 customers by id or key. */
async function customerIdsOf(
  sql: Executor,
  namespace: string,
  read: QueryReader,
  version: WireVersion,
): Promise<string[] | undefined> {
  const subjects = version === 'v1' ? read.texts('subject') : undefined;
  if (subjects) {
    const found = await customersOfSubjects(sql, namespace, subjects);
    return [...new Set([...found.values()].map(({ id }) => id))];
  }
  if (version === 'v1') return undefined;
  const ids = read.texts('customerIds') ?? read.texts('customer');
  if (!ids) return undefined;
  const found = await Promise.all(ids.map((id) => getCustomer(sql, namespace, id)));
  return found.flatMap((customer) => (customer ? [customer.id] : []));
}
