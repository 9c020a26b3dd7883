import { ask, type Requester } from './request.ts';

export type WindowSize =
  | 'MINUTE'
  | 'PT5M'
  | 'PT15M'
  | 'PT30M'
  | 'HOUR'
  | 'PT3H'
  | 'PT6H'
  | 'PT12H'
  | 'DAY'
  | 'WEEK'
  | 'MONTH'
  | 'QUARTER'
  | 'YEAR';

export interface MeterQuery<Group extends string = string> {
  /** Inclusive. */
  from?: Date | string;
  /** Exclusive. */
  to?: Date | string;
  windowSize?: WindowSize;
  /** IANA name; UTC by default. */
  windowTimeZone?: string;
  /** One or some subjects; all by default. */
  subject?: string | readonly string[];
  /** Values that group-by members must have, by their names. */
  filterGroupBy?: Partial<Record<Group, string | readonly string[]>>;
  groupBy?: readonly (Group | 'subject')[];
}

export interface UsageRow<Group extends string = string> {
  value: number;
  /** Every digit, where `value` can't hold them. */
  valueExact?: string;
  windowStart: string;
  windowEnd: string;
  subject: string | null;
  groupBy: Record<Group, string | null>;
}

export interface MeterUsage<Group extends string = string> {
  data: UsageRow<Group>[];
  from?: string;
  to?: string;
  windowSize?: WindowSize;
  /** Up to which arrival everything is included; undefined while that isn't known. */
  asOf: string | undefined;
  /** Events that were accepted and are not yet included. */
  eventsWaiting: number | undefined;
}

/** GET /api/v1/meters/{slug}/query. Throws a UsageRequestError. */
export async function queryMeter<Group extends string>(
  requester: Requester,
  meter: string,
  query: MeterQuery<Group>,
): Promise<MeterUsage<Group>> {
  const params = new URLSearchParams();
  for (const name of ['from', 'to'] as const) {
    const time = query[name];
    if (time !== undefined) params.set(name, typeof time === 'string' ? time : time.toISOString());
  }
  for (const name of ['windowSize', 'windowTimeZone'] as const)
    if (query[name]) params.set(name, query[name]);
  for (const subject of listOf(query.subject)) params.append('subject', subject);
  for (const group of query.groupBy ?? []) params.append('groupBy', group);
  for (const [group, values] of Object.entries(query.filterGroupBy ?? {}))
    for (const value of listOf(values as string | string[])) params.append(`filterGroupBy[${group}]`, value);
  const path = `/api/v1/meters/${encodeURIComponent(meter)}/query?${params}`;
  const response = await ask(requester, 'GET', path);
  const waiting = response.headers.get('usage-events-waiting');
  return {
    ...((await response.json()) as Omit<MeterUsage<Group>, 'asOf' | 'eventsWaiting'>),
    asOf: response.headers.get('usage-as-of') ?? undefined,
    eventsWaiting: waiting === null ? undefined : Number(waiting),
  };
}

function listOf(values: string | readonly string[] | undefined): readonly string[] {
  if (values === undefined) return [];
  return typeof values === 'string' ? [values] : values;
}
