import type { EntitlementState } from '@usage/db/limits/entitlementStates.ts';
import type { StoredGrant } from '@usage/db/limits/grants.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { endOf } from '@usage/lib/limits/engine/grants.ts';
import {
  instantsOf,
  intervalIso,
  type Period,
  type Recurrence,
} from '@usage/lib/limits/engine/recurrence.ts';
import { resetsOf } from '../checks/tasks.ts';
import { amount } from '../checks/value.ts';
import type { WireVersion } from './rules.ts';

/** As OpenMeter answers: what is not set is left out. */
export function entitlementWire(state: EntitlementState, version: WireVersion, nowUs: number) {
  const { entitlement: one } = state;
  return {
    id: one.id,
    type: one.type,
    featureId: one.featureId,
    featureKey: one.featureKey,
    ...(version === 'v1'
      ? { subjectKey: one.subjectKeys[0] ?? one.customerKey ?? '' }
      : {
          customerId: one.customerId,
          ...(one.customerKey !== undefined && { customerKey: one.customerKey }),
        }),
    ...(one.metadata && { metadata: one.metadata }),
    ...(one.annotations && { annotations: one.annotations }),
    activeFrom: formatTimeUs(one.activeFromUs),
    ...(one.activeToUs !== undefined && { activeTo: formatTimeUs(one.activeToUs) }),
    ...(one.type === 'metered' && meteredWire(state, version, nowUs)),
    ...(one.type === 'static' && { config: one.config }),
    ...(one.type !== 'metered' &&
      one.usagePeriod && {
        usagePeriod: recurringWire(one.usagePeriod),
        currentUsagePeriod: periodWire(instantsOf(one.usagePeriod).periodAt(nowUs)),
      }),
    ...managedWire(one),
    ...(one.deletedAtUs !== undefined && { deletedAt: formatTimeUs(one.deletedAtUs) }),
  };
}

function meteredWire(state: EntitlementState, version: WireVersion, nowUs: number) {
  const { entitlement: one } = state;
  const resets = resetsOf(state);
  const atUs = Math.min(nowUs, one.activeToUs ?? nowUs);
  const moved = state.manualResets.findLast(({ atUs: us, movesAnchor }) => movesAnchor && us <= atUs);
  const { issue } = one;
  return {
    isSoftLimit: one.isSoftLimit,
    ...(version === 'v1' && { isUnlimited: false }),
    ...(issue && {
      ...amount('issueAfterReset', issue.amount),
      issueAfterResetPriority: issue.priority ?? 1,
      ...(version === 'v2' && {
        issue: { ...amount('amount', issue.amount), priority: issue.priority ?? 1 },
      }),
    }),
    preserveOverageAtReset: one.preserveOverage,
    measureUsageFrom: formatTimeUs(one.measureUsageFromUs!),
    lastReset: formatTimeUs(resets.lastAt(atUs)?.atUs ?? one.measureUsageFromUs!),
    currentUsagePeriod: periodWire(resets.periodAt(atUs)),
    usagePeriod: recurringWire({ ...one.usagePeriod!, anchorUs: moved?.atUs ?? one.usagePeriod!.anchorUs }),
  };
}

export function grantWire(grant: StoredGrant, nowUs: number) {
  const { recurrence } = grant;
  const next = recurrence && nextOf(grant, recurrence, nowUs);
  return {
    id: grant.id,
    entitlementId: grant.entitlementId,
    ...amount('amount', grant.amount),
    priority: grant.priority,
    effectiveAt: formatTimeUs(grant.effectiveAtUs),
    ...(grant.expiration && { expiration: grant.expiration }),
    ...(grant.expiresAtUs !== undefined && { expiresAt: formatTimeUs(grant.expiresAtUs) }),
    ...amount('maxRolloverAmount', grant.maxRollover),
    ...amount('minRolloverAmount', grant.minRollover),
    ...(recurrence && { recurrence: recurringWire(recurrence) }),
    ...(next !== undefined && { nextRecurrence: formatTimeUs(next) }),
    ...(grant.metadata && { metadata: grant.metadata }),
    ...(grant.annotations && { annotations: grant.annotations }),
    ...(grant.voidedAtUs !== undefined && { voidedAt: formatTimeUs(grant.voidedAtUs) }),
    ...managedWire(grant),
  };
}

function nextOf(grant: StoredGrant, recurrence: Recurrence, nowUs: number): number | undefined {
  const next = instantsOf(recurrence).periodAt(Math.max(nowUs, grant.effectiveAtUs)).toUs;
  return next < endOf(grant) ? next : undefined;
}

function recurringWire({ interval, anchorUs, zone }: Recurrence) {
  return {
    interval,
    intervalISO: intervalIso(interval),
    anchor: formatTimeUs(anchorUs),
    ...(zone !== 'UTC' && { timeZone: zone }),
  };
}

export function periodWire({ fromUs, toUs }: Period) {
  return { from: formatTimeUs(fromUs), to: formatTimeUs(toUs) };
}

function managedWire({ createdAtUs, updatedAtUs }: { createdAtUs: number; updatedAtUs: number }) {
  return { createdAt: formatTimeUs(createdAtUs), updatedAt: formatTimeUs(updatedAtUs) };
}
