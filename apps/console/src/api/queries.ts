import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { api, dataOf, type operations } from './client.ts';

/** What several pages ask for. The shapes are those of the API's description. */
type Answer<Name extends keyof operations, Status extends number = 200> = operations[Name] extends {
  responses: Record<Status, { content: { 'application/json': infer Body } }>;
}
  ? Body
  : never;

export type Meter = Answer<'listMeters'>[number];
export type IngestedEvent = Answer<'listEventsV2'>['items'][number];
export type UsageRow = Answer<'queryMeter'>['data'][number];
export type ApiKey = Answer<'listKeys'>[number];
export type DeadLetter = Answer<'listDeadLetters'>['items'][number];
export type Subject = Answer<'listSubjects'>[number];

export function useMeters() {
  return useQuery({
    queryKey: ['meters'],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/api/v1/meters', { params: { query: { pageSize: 1_000 } }, signal })),
  });
}

export type Activity = Answer<'getActivity'>;
export type Evaluation = Answer<'evaluateMeters'>;

/** What happened to events in the last minutes; asked again every `pollMs`, or once where that is false. */
export function useActivity(minutes: number, pollMs: number | false, enabled = true) {
  return useQuery({
    queryKey: ['activity', minutes],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v1/activity', { params: { query: { minutes } }, signal })),
    refetchInterval: pollMs,
    placeholderData: keepPreviousData,
    enabled,
  });
}

/** What can be added up says more at first sight than the largest or the latest value. */
const plainAggregations: readonly Meter['aggregation'][] = ['SUM', 'COUNT'];
const isPlain = ({ aggregation }: Meter) => Number(plainAggregations.includes(aggregation));

/** Meters whose types had events in that time, those with most of them first; of one type, sums and counts first. */
export function busiestMeters(
  activity: Activity,
  meters: readonly Meter[],
): { meter: Meter; events: number }[] {
  const byType = new Map(activity.busiest.types.map(({ type, events }) => [type, events]));
  return meters
    .map((meter) => ({ meter, events: byType.get(meter.eventType) ?? 0 }))
    .filter(({ events }) => events > 0)
    .sort((a, b) => b.events - a.events || isPlain(b.meter) - isPlain(a.meter));
}

export type Customer = Answer<'listCustomers'>['items'][number];
export type AuditEntry = Answer<'listAudit'>['items'][number];
export type Access = Answer<'getCustomerAccess'>['entitlements'][string];
export type Entitlement = Answer<'listCustomerEntitlementsV2'>['items'][number];
export type NotificationEvent = Answer<'listNotificationEvents'>['items'][number];
export type Channel = Answer<'listNotificationChannels'>['items'][number];
export type NotificationRule = Answer<'listNotificationRules'>['items'][number];
export type Feature = Answer<'listFeatures'>[number];
export type Grant = Answer<'listCustomerEntitlementGrantsV2'>['items'][number];
export type Correction = Answer<'listCorrections'>['items'][number];
export type Corrected = Answer<'correctEvents'>;

const customersChosenMax = 1_000;

/** The customers that a field can choose from, by name. */
export function useCustomerNames() {
  return useQuery({
    queryKey: ['customers', 'names'],
    queryFn: async ({ signal }) => {
      const query = { pageSize: customersChosenMax, orderBy: 'name', order: 'ASC' } as const;
      return (await dataOf(api.GET('/api/v1/customers', { params: { query }, signal }))).items;
    },
  });
}

const featuresMax = 1_000;

export function useFeatures() {
  return useQuery({
    queryKey: ['features'],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/api/v1/features', { params: { query: { limit: featuresMax } }, signal })),
  });
}
