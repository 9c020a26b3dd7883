import type { Sql } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as store from '@usage/db/limits/features.ts';
import { getMeter } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { readTextFilter } from '@usage/lib/filter/textFilter.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { FeatureInput } from '@usage/lib/limits/api/features.ts';
import { FeatureListQuery, wantsPage, windowOf } from '@usage/lib/limits/api/queries.ts';
import { type Ask, bodyOf, pageAnswer } from '../http/ask.ts';

/** Features: what a customer may have the use of. Errors are thrown as Problem. */
export function featureHandlers(sql: Sql) {
  return {
    async createFeature(ask: Ask) {
      const input = await bodyOf(ask, FeatureInput, 'feature');
      const fields = toFields(input, await meterOf(sql, ask.namespace, input));
      const feature = await sql.begin(async (tx) => {
        const created = await store.insertFeature(tx, ask.namespace, fields);
        if (!created)
          throw new Problem(
            'conflict',
            `There is a feature with the key ${input.key} already: archive it first.`,
          );
        await insertAudit(tx, ask.actor, { ...change('create', created), after: toWire(created) });
        return created;
      });
      return toWire(feature);
    },
    async listFeatures({ namespace, request }: Ask) {
      const query = readParameters(FeatureListQuery, request);
      const { orderBy = 'createdAt', order = 'ASC', includeArchived = false, meterSlug: meterSlugs } = query;
      const window = windowOf(query);
      const listing = { ...window, orderBy, order, includeArchived, meterSlugs };
      const { features, total } = await store.listFeatures(sql, namespace, listing);
      const items = features.map(toWire);
      return wantsPage(query) ? pageAnswer(window, total, items) : items;
    },
    async getFeature({ namespace, params }: Ask) {
      return toWire(await findFeature(sql, namespace, params.featureId!));
    },
    async deleteFeature({ namespace, params, actor }: Ask) {
      const feature = await findFeature(sql, namespace, params.featureId!);
      await sql.begin(async (tx) => {
        if (!(await store.archiveFeature(tx, feature.id))) return;
        await insertAudit(tx, actor, { ...change('archive', feature), before: toWire(feature) });
      });
      return undefined;
    },
  };
}

/** Problems: 404. */
export async function findFeature(
  sql: Parameters<typeof store.getFeature>[0],
  namespace: string,
  idOrKey: string,
): Promise<store.Feature> {
  const feature = await store.getFeature(sql, namespace, idOrKey);
  if (feature) return feature;
  throw new Problem(
    'not_found',
    `There is no feature with the id or key ${JSON.stringify(idOrKey.slice(0, 100))}.`,
  );
}

function change(action: string, { id }: store.Feature) {
  return { action, resource: 'feature', resourceId: id };
}

async function meterOf(sql: Sql, namespace: string, input: FeatureInput): Promise<StoredMeter | undefined> {
  if (input.meterSlug == null) return undefined;
  const meter = await getMeter(sql, namespace, input.meterSlug);
  if (meter && !meter.deletedAt) return meter;
  const reason = `names no meter: ${input.meterSlug}`;
  throw invalid('feature', [{ field: 'meterSlug', reason }]);
}

function toFields(input: FeatureInput, meter: StoredMeter | undefined): store.FeatureFields {
  const issues: Issue[] = [];
  const simple = given(input.meterGroupByFilters);
  const advanced = given(input.advancedMeterGroupByFilters);
  if (simple && advanced)
    issues.push({
      field: 'advancedMeterGroupByFilters',
      reason: 'cannot be used together with meterGroupByFilters',
    });
  for (const [field, filters] of Object.entries({
    meterGroupByFilters: simple,
    advancedMeterGroupByFilters: advanced,
  })) {
    for (const [name, filter] of Object.entries(filters ?? {})) {
      const place = `${field}.${name.slice(0, 64)}`;
      if (!meter) issues.push({ field: place, reason: 'needs a meterSlug' });
      else if (!Object.hasOwn(meter.groupBy, name))
        issues.push({ field: place, reason: `is no group by of the meter ${meter.slug}` });
      if (typeof filter === 'string') continue;
      try {
        readTextFilter(filter);
      } catch (error) {
        issues.push({ field: place, reason: (error as Error).message });
      }
    }
  }
  if (issues.length > 0) throw invalid('feature', issues);
  return {
    key: input.key,
    name: input.name,
    metadata: input.metadata ?? undefined,
    meterId: meter?.id,
    groupByFilters: simple as Record<string, string> | undefined,
    advancedFilters: advanced,
    unitCost: input.unitCost ?? undefined,
  };
}

function given<T extends object>(filters: T | null | undefined): T | undefined {
  return filters && Object.keys(filters).length > 0 ? filters : undefined;
}

export function toWire(feature: store.Feature) {
  const { id, key, name, metadata, meterSlug, groupByFilters, advancedFilters, unitCost } = feature;
  return {
    id,
    key,
    name,
    ...(metadata && { metadata }),
    ...(meterSlug !== undefined && { meterSlug }),
    ...(groupByFilters && { meterGroupByFilters: groupByFilters }),
    ...(advancedFilters && { advancedMeterGroupByFilters: advancedFilters }),
    ...(unitCost && { unitCost }),
    createdAt: feature.createdAt.toISOString(),
    updatedAt: feature.updatedAt.toISOString(),
    ...(feature.archivedAt && { archivedAt: feature.archivedAt.toISOString() }),
  };
}
