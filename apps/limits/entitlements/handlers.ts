import type { Executor, Sql } from '@usage/db/connection/connect.ts';
import { customersOfSubjects, getCustomer } from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { getEntitlement, listEntitlements } from '@usage/db/limits/entitlements.ts';
import { getGrant, listGrants } from '@usage/db/limits/grants.ts';
import { parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { invalid } from '@usage/lib/http/faults.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import {
  EntitlementInput,
  entitlementOrders,
  entitlementTypes,
  GrantInput,
  grantOrders,
  ResetInput,
} from '@usage/lib/limits/api/entitlementSchemas.ts';
import { type WindowSize, windowSizes } from '@usage/lib/windows/windows.ts';
import { balancesOf } from '../checks/balances.ts';
import type { Freshness } from '../checks/freshness.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { noAccess, toValue } from '../checks/value.ts';
import { type Ask, bodyOf, optionalBodyOf, pageAnswer, QueryReader, wantsPage } from '../http/ask.ts';
import * as change from './change.ts';
import { historyOf } from './history.ts';
import { findEntitlement, findOwner, noEntitlement, stateOf } from './owner.ts';
import { readGrant, type WireVersion } from './rules.ts';
import { entitlementWire, grantWire } from './wire.ts';

export interface EntitlementParts {
  sql: Sql;
  checks: CheckRunner;
  freshness: Freshness;
}

const nowUs = () => Date.now() * 1_000;

/** What v1 does for subjects and v2 for customers. Errors are thrown as Problem. */
export function ownedEntitlementHandlers({ sql, checks, freshness }: EntitlementParts, version: WireVersion) {
  return {
    async create(ask: Ask) {
      const input = await bodyOf(ask, EntitlementInput, 'entitlement');
      return sql.begin((tx) => change.createEntitlement(tx, ask, input, version, false));
    },
    async override(ask: Ask) {
      const input = await bodyOf(ask, EntitlementInput, 'entitlement');
      return sql.begin((tx) => change.createEntitlement(tx, ask, input, version, true));
    },
    async list(ask: Ask) {
      const owner = await findOwner(sql, ask);
      const read = new QueryReader(ask.query);
      const window = read.window();
      const listing = {
        ...window,
        ...read.order(entitlementOrders, 'createdAt'),
        includeDeleted: read.flag('includeDeleted'),
        customerIds: [owner.id],
      };
      read.done();
      const { items, total } = await listed(sql, ask.namespace, listing, version);
      return version === 'v2' ? pageAnswer(window, total, items) : items;
    },
    async get(ask: Ask) {
      const entitlement = await findEntitlement(sql, await findOwner(sql, ask), ask);
      return entitlementWire(await stateOf(sql, entitlement), version, nowUs());
    },
    async delete(ask: Ask) {
      await sql.begin((tx) => change.deleteEntitlement(tx, ask, version));
      return undefined;
    },
    async reset(ask: Ask) {
      const input = await optionalBodyOf(ask, ResetInput, 'reset');
      await sql.begin((tx) => change.resetEntitlement(tx, ask, input));
      return undefined;
    },
    async createGrant(ask: Ask) {
      const input = await bodyOf(ask, GrantInput, 'grant');
      const grant = await sql.begin((tx) =>
        change.createGrant(tx, ask, ({ usagePeriod }) =>
          readGrant(input, version, usagePeriod?.zone ?? 'UTC'),
        ),
      );
      return grantWire(grant, nowUs());
    },
    async listGrants(ask: Ask) {
      const entitlement = await findEntitlement(sql, await findOwner(sql, ask), ask);
      const read = new QueryReader(ask.query);
      const window = read.window();
      const listing = {
        ...window,
        ...read.order(grantOrders, 'createdAt'),
        includeDeleted: read.flag('includeDeleted'),
        entitlementIds: [entitlement.id],
      };
      read.done();
      const { grants, total } = await listGrants(sql, ask.namespace, listing);
      const items = grants.map((grant) => grantWire(grant, nowUs()));
      return version === 'v2' ? pageAnswer(window, total, items) : items;
    },
    value: (ask: Ask) => valueAnswer({ sql, checks, freshness }, ask),
    async history(ask: Ask) {
      const request = historyRequest(ask.query);
      const fresh = freshness(ask.request);
      const answer = await checks.read(
        'history',
        ask.namespace,
        async (tx, runner) => {
          const entitlement = await findEntitlement(tx, await findOwner(tx, ask), ask);
          if (entitlement.type !== 'metered') throw change.notMetered(entitlement);
          return historyOf(tx, await stateOf(tx, entitlement), request, runner);
        },
        fresh,
      );
      return Response.json(answer, { headers: await fresh });
    },
  };
}

/** Of one entitlement, at `time` or now; without one there is no access, as OpenMeter answers. */
export async function valueAnswer({ checks, freshness }: EntitlementParts, ask: Ask): Promise<Response> {
  const time = ask.query.get('time');
  const reason = time === null ? undefined : timeFault(time);
  if (reason !== undefined) throw invalid('query', [{ field: 'time', reason }]);
  const fresh = freshness(ask.request);
  const value = await checks.read(
    'value',
    ask.namespace,
    async (tx, runner) => {
      const owner = await findOwner(tx, ask);
      const idOrKey = (ask.params.entitlementIdOrFeatureKey ?? ask.params.featureKey)!;
      const states = await readEntitlementStates(
        tx,
        ask.namespace,
        { customerIds: [owner.id], featureKeys: [idOrKey] },
        1,
      );
      const [state] =
        states.length > 0
          ? states
          : (await readEntitlementStates(tx, ask.namespace, { ids: [idOrKey] }, 1)).filter(
              ({ entitlement }) => entitlement.customerId === owner.id,
            );
      const atUs = time === null ? nowUs() : parseTimeUs(time)!;
      if (!state || !isActive(state, atUs)) return noAccess;
      if (state.entitlement.type !== 'metered') return toValue(state, undefined);
      const [balance] = await balancesOf(tx, [state], { atUs, isNow: time === null }, runner);
      return toValue(state, balance);
    },
    fresh,
  );
  return Response.json(value, { headers: await fresh });
}

export function isActive({ entitlement }: EntitlementState, atUs: number): boolean {
  const {
    activeFromUs,
    activeToUs = Number.POSITIVE_INFINITY,
    measureUsageFromUs = activeFromUs,
  } = entitlement;
  return Math.min(activeFromUs, measureUsageFromUs) <= atUs && atUs < activeToUs;
}

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

async function listed(
  sql: Executor,
  namespace: string,
  listing: Parameters<typeof listEntitlements>[2],
  version: WireVersion,
) {
  const { entitlements, total } = await listEntitlements(sql, namespace, listing);
  const ids = entitlements.map(({ id }) => id);
  const states = await readEntitlementStates(sql, namespace, { ids }, ids.length);
  const byId = new Map(states.map((state) => [state.entitlement.id, state]));
  const now = nowUs();
  const items = ids.flatMap((id) => {
    const state = byId.get(id);
    return state ? [entitlementWire(state, version, now)] : [];
  });
  return { items, total };
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

function historyRequest(query: URLSearchParams) {
  const read = new QueryReader(query);
  const time = (name: string) =>
    read.value(name, (text, fault) => {
      const reason = timeFault(text);
      if (reason) fault(reason);
      return parseTimeUs(text);
    });
  const fromUs = time('from');
  const toUs = time('to') ?? nowUs();
  const size = read.value('windowSize', (text, fault) => {
    const known = windowSizes.find((one) => one === text);
    if (!known) fault(`must be one of ${windowSizes.join(', ')}`);
    return known;
  });
  read.done();
  if (!size) throw invalid('query', [{ field: 'windowSize', reason: 'is required' }]);
  return { fromUs, toUs, size: size as WindowSize, zone: query.get('windowTimeZone') || 'UTC' };
}
