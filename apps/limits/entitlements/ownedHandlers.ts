import { listGrants } from '@usage/db/limits/grants.ts';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { EntitlementInput, GrantInput, ResetInput } from '@usage/lib/limits/api/entitlementSchemas.ts';
import {
  HistoryQuery,
  OwnedEntitlementListQuery,
  OwnedGrantListQuery,
  windowOf,
} from '@usage/lib/limits/api/queries.ts';
import { type Ask, bodyOf, optionalBodyOf, pageAnswer } from '../http/ask.ts';
import * as change from './change.ts';
import { historyOf } from './history.ts';
import { listed } from './listed.ts';
import { findEntitlement, findOwner, stateOf } from './owner.ts';
import { readGrant, type WireVersion } from './rules.ts';
import { type EntitlementParts, valueAnswer } from './valueAnswer.ts';
import { entitlementWire, grantWire } from './wire.ts';

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
      const query = readParameters(OwnedEntitlementListQuery, ask.request);
      const { orderBy = 'createdAt', order = 'ASC', includeDeleted = false } = query;
      const window = windowOf(query);
      const listing = { ...window, orderBy, order, includeDeleted, customerIds: [owner.id] };
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
      const query = readParameters(OwnedGrantListQuery, ask.request);
      const { orderBy = 'createdAt', order = 'ASC', includeDeleted = false } = query;
      const window = windowOf(query);
      const listing = { ...window, orderBy, order, includeDeleted, entitlementIds: [entitlement.id] };
      const { grants, total } = await listGrants(sql, ask.namespace, listing);
      const items = grants.map((grant) => grantWire(grant, nowUs()));
      return version === 'v2' ? pageAnswer(window, total, items) : items;
    },
    value: (ask: Ask) => valueAnswer({ sql, checks, freshness }, ask),
    async history(ask: Ask) {
      const request = historyRequest(ask.request);
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

function historyRequest(request: Request) {
  const { from, to, windowSize: size, windowTimeZone } = readParameters(HistoryQuery, request);
  const fromUs = from === undefined ? undefined : parseTimeUs(from);
  const toUs = to === undefined ? nowUs() : parseTimeUs(to)!;
  return { fromUs, toUs, size, zone: windowTimeZone || 'UTC' };
}
