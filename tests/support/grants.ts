import type { Grant } from '@usage/lib/limits/engine/grants.ts';

/** In microseconds, as all times of the engine. */
export const hour = 3_600_000_000;
export const day = 24 * hour;
export const t1 = Date.parse('2024-01-01T00:00:00Z') * 1_000;
export const utcDays = { interval: 'DAY', anchorUs: t1, zone: 'UTC' };

/** 100 from `t1` for 30 days. */
export function grant(id: string, more: Partial<Grant> = {}): Grant {
  return {
    id,
    amount: 100,
    priority: 1,
    effectiveAtUs: t1,
    expiresAtUs: t1 + 30 * day,
    voidedAtUs: undefined,
    maxRollover: 0,
    minRollover: 0,
    recurrence: undefined,
    createdAtUs: t1,
    ...more,
  };
}
