import type { paths } from '../../api/client.ts';
import type { NotificationRule } from '../../api/queries.ts';

type RuleBody = NonNullable<
  paths['/api/v1/notification/rules']['post']['requestBody']
>['content']['application/json'];
type Threshold = NonNullable<RuleBody['thresholds']>[number];
type WatchedUsage = NonNullable<RuleBody['usage']>;
export type RuleKind = NotificationRule['type'];

export const kindNames: Record<RuleKind, string> = {
  'entitlements.balance.threshold': 'threshold of an entitlement',
  'entitlements.reset': 'reset of an entitlement',
  'usage.threshold': 'threshold of a meter',
};

/** A rule as it stands in the form. */
export interface RuleDraft {
  type: RuleKind;
  name: string;
  isEnabled: boolean;
  thresholds: { type: Threshold['type']; value: string }[];
  /** Keys; none = all features. */
  features: string[];
  channels: string[];
  meterSlug: string;
  of: WatchedUsage['of'];
  groupBy: string[];
  period: WatchedUsage['period'];
  timeZone: string;
  /** Of a rolling window. */
  hours: string;
  /** Lines of name=value. */
  only: string;
}

export const thresholdLabels: Record<Threshold['type'], string> = {
  usage_percentage: '% used',
  usage_value: 'used',
  balance_value: 'left',
  PERCENT: '% used (PERCENT)',
  NUMBER: 'used (NUMBER)',
};

const secondsPerHour = 3_600;

export function draftOfRule(rule: NotificationRule | undefined, zone: string): RuleDraft {
  const usage = rule?.usage;
  return {
    type: rule?.type ?? 'entitlements.balance.threshold',
    name: rule?.name ?? '',
    isEnabled: !rule?.disabled,
    thresholds: (rule?.thresholds ?? [{ type: 'usage_percentage' as const, value: 80 }]).map(
      ({ type, value }) => ({ type, value: String(value) }),
    ),
    features: (rule?.features ?? []).map(({ key }) => key),
    channels: (rule?.channels ?? []).map(({ id }) => id),
    meterSlug: usage?.meterSlug ?? '',
    of: usage?.of ?? 'subject',
    groupBy: usage?.groupBy ?? [],
    period: usage?.period ?? 'MONTH',
    timeZone: usage?.timeZone ?? (usage ? 'UTC' : zone),
    hours: usage?.seconds ? String(usage.seconds / secondsPerHour) : '24',
    only: Object.entries(usage?.filterGroupBy ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  };
}

/** As the API takes it: what is not for the kind of rule is left out. */
export function bodyOfRule(draft: RuleDraft, rule: NotificationRule | undefined): RuleBody {
  const { type, name, channels, features } = draft;
  return {
    type,
    name,
    disabled: !draft.isEnabled,
    channels,
    ...(type !== 'entitlements.reset' && {
      thresholds: draft.thresholds.map((one) => ({ type: one.type, value: Number(one.value) })),
    }),
    ...(type !== 'usage.threshold' && features.length > 0 && { features }),
    ...(type === 'usage.threshold' && { usage: usageOf(draft) }),
    ...(rule?.metadata && { metadata: rule.metadata }),
  };
}

function usageOf({ meterSlug, of, groupBy, period, timeZone, hours, only }: RuleDraft): WatchedUsage {
  const pairs = only.split('\n').filter((line) => line.includes('='));
  const filterGroupBy = Object.fromEntries(
    pairs.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
  return {
    meterSlug,
    of,
    period,
    ...(of === 'group' && { groupBy }),
    ...(period === 'ROLLING' ? { seconds: Math.round(Number(hours) * secondsPerHour) } : { timeZone }),
    ...(pairs.length > 0 && { filterGroupBy }),
  };
}

/** A threshold in a few words: 80 % used, 1000 used. */
export function thresholdText({ type, value }: Threshold, exact: (text: string) => string): string {
  return `${exact(String(value))} ${thresholdLabels[type].replace(/ \(.*/, '')}`;
}
