import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import {
  claimFirings,
  type Firing,
  firedOf,
  firedSince,
  insertEvents,
  lockTarget,
  type NewEvent,
  newEventId,
} from '@usage/db/notifications/events.ts';
import type { Rule, Threshold } from '@usage/db/notifications/rules.ts';
import { highest, keyOf, kindOf, type Measured } from './thresholds.ts';

/** What becomes one event, if any of it has not fired. */
export interface ToFire {
  rule: Rule;
  /** The rule, as the event shows it. */
  wire: object;
  /** An entitlement, subject, customer or group. */
  target: string;
  periodFromUs: number;
  /** Of a rolling window: its length. What fired within it does not fire again. */
  rollingUs: number | undefined;
  /** Each fires once in the period. */
  keys: readonly string[];
  /** The event's data, of those that fire now. */
  dataOf(tx: Transaction, fresh: ReadonlySet<string>): Promise<EventData>;
}

export type EventData = Pick<NewEvent, 'payload' | 'featureId' | 'featureKey' | 'subject'>;

/** Thresholds of a rule that are reached now. */
export type Reached = Pick<ToFire, 'rule' | 'wire' | 'target' | 'periodFromUs' | 'rollingUs'> & {
  thresholds: readonly Threshold[];
  measured: Measured;
  /** `skipped` were reached at the same time, and say less. */
  dataOf(tx: Transaction, threshold: Threshold, skipped: readonly Threshold[]): Promise<EventData>;
};

/** Those of usage are one event, those of balances another one. */
export function ofThresholds({ thresholds, measured, dataOf, ...reached }: Reached): ToFire[] {
  return [...Map.groupBy(thresholds, kindOf).values()].map((own) => ({
    ...reached,
    keys: own.map(keyOf),
    dataOf: (tx, keys) => {
      const fresh = own.filter((threshold) => keys.has(keyOf(threshold)));
      const threshold = highest(fresh, measured);
      return dataOf(
        tx,
        threshold,
        fresh.filter((one) => one !== threshold),
      );
    },
  }));
}

const togetherMax = 200;
const askedMax = 10_000;

/**
 * Fires what has not fired: firings, their events and the deliveries to come are one transaction for up to `togetherMax`
 * events, and the key of threshold_firings lets one of many who try win. Whatever dies, each fires once. Returns how many
 * events that made.
 */
export async function fireAll(sql: Sql, all: readonly ToFire[]): Promise<number> {
  const waiting: ToFire[] = [];
  for (let at = 0; at < all.length; at += askedMax) {
    const some = all.slice(at, at + askedMax);
    const fired = await firedOf(
      sql,
      some.filter(({ rollingUs }) => rollingUs === undefined).flatMap(firingsOf),
    );
    waiting.push(...some.filter((one) => firingsOf(one).some((firing) => !fired.has(nameOf(firing)))));
  }
  let events = 0;
  for (let at = 0; at < waiting.length; at += togetherMax)
    events += await fireTogether(sql, waiting.slice(at, at + togetherMax));
  return events;
}

async function fireTogether(sql: Sql, all: readonly ToFire[]): Promise<number> {
  return sql.begin(async (tx) => {
    const candidates: { one: ToFire; eventId: string; firings: Firing[] }[] = [];
    for (const one of all) {
      let firings = firingsOf(one);
      if (one.rollingUs !== undefined) {
        await lockTarget(tx, one.rule.id, one.target);
        const fired = await firedSince(tx, one.rule.id, one.target, one.periodFromUs - one.rollingUs);
        firings = firings.filter(({ threshold }) => !fired.has(threshold));
      }
      if (firings.length > 0) candidates.push({ one, eventId: newEventId(), firings });
    }
    const claimed = await claimFirings(
      tx,
      candidates.flatMap(({ eventId, firings }) => firings.map((firing) => ({ ...firing, eventId }))),
    );
    const byEvent = Map.groupBy(claimed, ({ eventId }) => eventId);
    const events = await Promise.all(
      candidates.flatMap(({ one, eventId }) => {
        const fresh = byEvent.get(eventId);
        return fresh ? [toEvent(tx, one, eventId, new Set(fresh.map(({ threshold }) => threshold)))] : [];
      }),
    );
    await insertEvents(tx, events);
    return events.length;
  }) as Promise<number>;
}

async function toEvent(
  tx: Transaction,
  { rule, wire, dataOf }: ToFire,
  id: string,
  fresh: ReadonlySet<string>,
): Promise<NewEvent> {
  return { id, ...ofRule(rule, wire), ...(await dataOf(tx, fresh)) };
}

function firingsOf({ rule, target, periodFromUs, keys }: ToFire): Firing[] {
  return keys.map((threshold) => ({ ruleId: rule.id, target, periodFromUs, threshold }));
}

function nameOf({ ruleId, target, threshold }: Firing): string {
  return `${ruleId} ${threshold} ${target}`;
}

/** What every event of a rule says of it. */
export function ofRule(rule: Rule, wire: object) {
  const { namespace, type, id: ruleId, channelIds } = rule;
  return { namespace, type, ruleId, rule: wire, channelIds };
}
