import type { NotificationEvent } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { thresholdText } from './ruleDraft.ts';

/** What the list of events says of a payload; the API leaves open what else it holds. */
interface Payload {
  isTest?: boolean;
  data?: {
    customer?: { name?: string };
    subject?: string | { key?: string };
    customerId?: string;
    groupBy?: Record<string, string>;
    threshold?: Parameters<typeof thresholdText>[0];
  };
}

/** Whose usage it was: a customer, a subject or a group; all together where the payload names none. */
export function ownerOf({ payload }: NotificationEvent): string {
  const { isTest, data } = payload as Payload;
  if (isTest) return 'a test';
  const subject = typeof data?.subject === 'string' ? data.subject : data?.subject?.key;
  const group = Object.entries(data?.groupBy ?? {}).map(([name, value]) => `${name} = ${value}`);
  return data?.customer?.name ?? subject ?? data?.customerId ?? (group.join(', ') || 'all');
}

/** The threshold that was reached, or that a usage period began anew. */
export function reachedBy({ payload, type }: NotificationEvent): string {
  const threshold = (payload as Payload).data?.threshold;
  if (threshold) return thresholdText(threshold, exactNumber);
  return type === 'entitlements.reset' ? 'reset' : '';
}
