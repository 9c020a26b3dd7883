import type { Executor } from '@usage/db/connection/connect.ts';
import { getFeature } from '@usage/db/limits/features.ts';
import { getMeter } from '@usage/db/meters/findMeters.ts';
import { channelsById } from '@usage/db/notifications/channels.ts';
import type { RuleFields, WatchedUsage } from '@usage/db/notifications/rules.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import type { RuleInput } from '@usage/lib/limits/api/notificationSchemas.ts';
import { checkZone } from '@usage/lib/windows/windows.ts';

/** What a request says of a rule, checked against what there is. Throws a Problem that names every issue. */
export async function ruleFields(sql: Executor, namespace: string, input: RuleInput): Promise<RuleFields> {
  const issues: Issue[] = [];
  const need = (condition: boolean, field: string, reason: string) => {
    if (!condition) issues.push({ field, reason });
  };
  const isUsage = input.type === 'usage.threshold';
  const hasThresholds = input.type !== 'entitlements.reset';
  need(!hasThresholds || !!input.thresholds, 'thresholds', `is required for ${input.type}`);
  need(hasThresholds || !input.thresholds, 'thresholds', `is not for ${input.type}`);
  need(
    isUsage === !!input.usage,
    'usage',
    isUsage ? 'is required for usage.threshold' : `is not for ${input.type}`,
  );
  need(!isUsage || !input.features, 'features', 'is not for usage.threshold');
  for (const [i, { type }] of isUsage ? (input.thresholds ?? []).entries() : [])
    need(
      type === 'usage_value' || type === 'NUMBER',
      `thresholds[${i}].type`,
      'must be usage_value for usage.threshold',
    );
  const channels = new Set((await channelsById(sql, namespace, input.channels)).map(({ id }) => id));
  for (const [i, id] of input.channels.entries())
    need(channels.has(id), `channels[${i}]`, `names no channel: ${id}`);
  const featureIds: string[] = [];
  for (const [i, idOrKey] of (input.features ?? []).entries()) {
    const feature = await getFeature(sql, namespace, idOrKey);
    need(!!feature, `features[${i}]`, `names no feature: ${idOrKey}`);
    if (feature) featureIds.push(feature.id);
  }
  const usage = input.usage ? await usageOf(sql, namespace, input.usage, issues) : undefined;
  if (issues.length > 0) throw invalid('rule', issues);
  return {
    type: input.type,
    name: input.name,
    disabled: input.disabled ?? false,
    thresholds: input.thresholds ?? [],
    featureIds: featureIds.length > 0 ? featureIds : undefined,
    meterId: usage?.meterId,
    usage: usage?.watched,
    channelIds: [...new Set(input.channels)],
    metadata: input.metadata ?? undefined,
  };
}

async function usageOf(
  sql: Executor,
  namespace: string,
  given: NonNullable<RuleInput['usage']>,
  issues: Issue[],
) {
  const meter = await getMeter(sql, namespace, given.meterSlug);
  if (!meter || meter.deletedAt)
    issues.push({ field: 'usage.meterSlug', reason: `names no meter: ${given.meterSlug}` });
  const names = [...(given.groupBy ?? []), ...Object.keys(given.filterGroupBy ?? {})];
  for (const name of names)
    if (meter && !Object.hasOwn(meter.groupBy, name))
      issues.push({ field: 'usage', reason: `${name.slice(0, 64)} is no group by of the meter` });
  if ((given.of === 'group') !== !!given.groupBy)
    issues.push({
      field: 'usage.groupBy',
      reason: given.of === 'group' ? 'is required for group' : 'is only for group',
    });
  if ((given.period === 'ROLLING') !== (given.seconds != null))
    issues.push({
      field: 'usage.seconds',
      reason: given.period === 'ROLLING' ? 'is required for ROLLING' : 'is only for ROLLING',
    });
  try {
    checkZone(given.timeZone ?? 'UTC');
  } catch (error) {
    issues.push({ field: 'usage.timeZone', reason: (error as Error).message });
  }
  const watched: WatchedUsage = {
    of: given.of,
    period: given.period,
    ...(given.groupBy && { groupBy: given.groupBy }),
    ...(given.timeZone && { timeZone: given.timeZone }),
    ...(given.seconds != null && { seconds: given.seconds }),
    ...(given.filterGroupBy && { filterGroupBy: given.filterGroupBy }),
  };
  return { meterId: meter?.id, watched };
}
