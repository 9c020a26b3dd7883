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

/** What happened to events in the last minutes; asked again every `pollMs`. */
export function useActivity(minutes: number, pollMs: number, enabled = true) {
  return useQuery({
    queryKey: ['activity', minutes],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v1/activity', { params: { query: { minutes } }, signal })),
    refetchInterval: pollMs,
    placeholderData: keepPreviousData,
    enabled,
  });
}

export type Customer = Answer<'listCustomers'>['items'][number];
export type AuditEntry = Answer<'listAudit'>['items'][number];
export type Access = Answer<'getCustomerAccess'>['entitlements'][string];
export type Entitlement = Answer<'listCustomerEntitlementsV2'>['items'][number];
export type NotificationEvent = Answer<'listNotificationEvents'>['items'][number];
export type Channel = Answer<'listNotificationChannels'>['items'][number];
