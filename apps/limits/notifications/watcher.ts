import type { Sql } from '@usage/db/connection/connect.ts';
import * as feed from '@usage/db/notifications/feed.ts';
import { markRuleSwept } from '@usage/db/notifications/rules.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '@usage/lib/service/loop.ts';
import type { CheckRunner } from '../checks/runner.ts';
import type { LimitsMetrics } from '../metrics.ts';
import { headroomKey, type LookedAtOf, lookAtEntitlements } from './entitlementWatch.ts';
import { Headroom } from './headroom.ts';
import { type Touched, touchedBy, touchedCustomers } from './touched.ts';
import { lookAtUsage, outgrown, type WatchedTogether } from './usageWatch.ts';
import { WatchedRules } from './watchedRules.ts';

const leaseName = 'thresholds';
const leaseSeconds = 15;
const standByMs = 1_000;
const pauseMs = 100;
/** Entitlements or subjects looked at with one snapshot. */
const chunkMax = 500;
const deltasMax = 64;
const changesMax = 1_000;

/**
 * Looks at what a batch touched, and at nothing else:
 *
 *   1. deltas that were not looked at yet name the subjects: those that wait to be merged, and those that were merged first,
 *      which the database keeps in delta_feed
 *   2. entitlements that somebody changed, or whose balance changes by itself about now
 *   3. everything that a new rule is about, once
 *   4. subjects whose events were corrected
 *
 * Of those that can have reached something by now (headroom.ts) the exact balance is read, and what is reached and has not fired fires (fire.ts). What was looked at is
 * forgotten only afterwards: a crash in between looks once more, and nothing fires twice. One of several services looks, by lease.
 */
export class ThresholdWatch {
  readonly loop: Loop;
  readonly #holder = crypto.randomUUID();
  readonly #rules: WatchedRules;
  #signal: AbortSignal | undefined;
  /** Whether the round leaves something for the next one. */
  #isBehind = false;
  /** Deltas that were looked at and are still there. */
  #seen = new Set<bigint>();
  readonly #headroom = new Headroom();

  constructor(
    readonly sql: Sql,
    readonly checks: CheckRunner,
    readonly metrics: LimitsMetrics,
    log: Logger,
  ) {
    this.#rules = new WatchedRules(sql);
    metrics.thresholdsLooked.set(Date.now() / 1_000);
    this.loop = new Loop('threshold watch', log, (signal) => this.#round(signal));
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await feed.dropLease(this.sql, leaseName, this.#holder).catch(() => {});
  }

  async #round(signal: AbortSignal): Promise<number> {
    this.#signal = signal;
    const lease = await feed.takeLease(this.sql, leaseName, this.#holder, leaseSeconds);
    if (!lease) return standByMs;
    if (lease === 'taken') this.#headroom.clear();
    if (await this.#rules.read()) this.#headroom.clear();
    const startedMs = Date.now();
    this.#isBehind = false;
    const work =
      (await this.#changes()) +
      (await this.#due()) +
      (await this.#sweep()) +
      (await this.#corrections()) +
      (await this.#deltas());
    if (!this.#isBehind) this.metrics.thresholdsLooked.set(startedMs / 1_000);
    return work > 0 ? 0 : pauseMs;
  }

  async #changes(): Promise<number> {
    const changes = await feed.entitlementChanges(this.sql, changesMax);
    await this.#lookAtIds([...new Set(changes.map(({ entitlementId }) => entitlementId))]);
    await feed.dropEntitlementChanges(
      this.sql,
      changes.map(({ id }) => id),
    );
    this.#isBehind ||= changes.length === changesMax;
    return changes.length;
  }

  async #due(): Promise<number> {
    const ids = await feed.dueEntitlements(this.sql, changesMax);
    await this.#lookAtIds(ids);
    this.#isBehind ||= ids.length === changesMax;
    return ids.length;
  }

  /** In each of the namespaces that have rules; the ids are of any. */
  async #lookAtIds(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    for (const namespace of new Set(this.#rules.active.map((rule) => rule.namespace)))
      for (const chunk of chunks(ids)) await this.#lookAt(namespace, { ids: chunk });
    // Of namespaces without rules nothing is due any more.
    const ruled = new Set(this.#rules.active.map((rule) => rule.namespace));
    await feed.forgetDue(this.sql, ids, [...ruled]);
  }

  async #lookAt(namespace: string, of: LookedAtOf): Promise<void> {
    const rules = this.#rules.ofNamespace(namespace);
    if (rules.length === 0) return;
    await this.#renew();
    const { sql, checks } = this;
    const events = await lookAtEntitlements(sql, checks, namespace, of, rules, this.#headroom);
    this.metrics.thresholdEvents.inc(events);
  }

  /** What rules that are new, or were changed, are about: the entitlements of a namespace once for all of its new rules. */
  async #sweep(): Promise<number> {
    const fresh = this.#rules.active.filter(({ isSwept }) => !isSwept);
    const isFresh = new Set(fresh.map(({ id }) => id));
    for (const watched of this.#rules.usage)
      if (watched.rules.some(({ rule }) => isFresh.has(rule.id))) await this.#lookAtUsage(watched, undefined);
    const ofEntitlements = fresh.filter(({ type }) => type !== 'usage.threshold');
    for (const [namespace, own] of Map.groupBy(ofEntitlements, (rule) => rule.namespace)) {
      const isOfAll = own.some(({ featureIds }) => !featureIds);
      const featureIds = isOfAll ? undefined : own.flatMap((rule) => rule.featureIds ?? []);
      await this.#lookAtAll({ namespace, featureIds });
    }
    for (const rule of fresh) {
      await markRuleSwept(this.sql, rule);
      rule.isSwept = true;
    }
    return fresh.length;
  }

  async #lookAtAll(of: Parameters<typeof feed.meteredEntitlements>[1]): Promise<void> {
    for (let after = ''; ; ) {
      const ids = await feed.meteredEntitlements(this.sql, of, after, chunkMax);
      if (ids.length === 0) return;
      await this.#lookAt(of.namespace, { ids });
      after = ids.at(-1)!;
    }
  }

  /** What corrections of events may have raised: no delta says so. */
  async #corrections(): Promise<number> {
    const corrected = await feed.correctedSubjects(this.sql, changesMax);
    for (const own of Map.groupBy(corrected, ({ meterId }) => meterId).values()) {
      const { meterId, namespace } = own[0]!;
      if (meterId === null) continue; // no meter takes the type
      const subjects = own.map(({ subject }) => subject);
      const added = Number.POSITIVE_INFINITY; // it isn't known how much
      const touched = subjects.includes(null)
        ? undefined
        : new Map(subjects.map((subject) => [subject!, added]));
      await this.#lookAtTouched(namespace, meterId, touched);
    }
    await feed.dropCorrectedSubjects(
      this.sql,
      corrected.map(({ id }) => id),
    );
    return corrected.length;
  }

  async #deltas(): Promise<number> {
    const watched = await feed.watchedGenerations(this.sql);
    const generations = watched.map(({ generation }) => generation);
    const ids = await feed.deltaIds(this.sql, generations);
    const present = new Set(ids.map(({ id }) => id));
    for (const id of this.#seen) if (!present.has(id)) this.#seen.delete(id);
    const unseen = ids.filter(({ id }) => !this.#seen.has(id));
    const fresh = unseen.slice(0, deltasMax);
    this.#isBehind ||= unseen.length > fresh.length;
    const { touched, unread } = await touchedBy(this.sql, fresh);
    for (const { generation, meterId, namespace } of watched)
      if (touched.has(generation)) await this.#lookAtTouched(namespace, meterId, touched.get(generation));
    // Those that were merged meanwhile are in the feed in the next round.
    for (const { id } of fresh) if (!unread.has(id)) this.#seen.add(id);
    await feed.dropFed(
      this.sql,
      ids.filter(({ id, isMerged }) => isMerged && this.#seen.has(id)).map(({ id }) => id),
    );
    return fresh.length;
  }

  async #lookAtTouched(namespace: string, meterId: string, touched: Touched): Promise<void> {
    const ofUsage = this.#rules.usage.filter((watched) => watched.meterId === meterId);
    const ofEntitlements = this.#rules.ofNamespace(namespace);
    if (!touched) {
      for (const watched of ofUsage) await this.#lookAtUsage(watched, undefined);
      if (ofEntitlements.length > 0) await this.#lookAtAll({ namespace, meterId });
      return;
    }
    const isOfCustomers = ofEntitlements.length > 0 || ofUsage.some(({ usage }) => usage.of === 'customer');
    const customers = isOfCustomers ? await touchedCustomers(this.sql, namespace, touched) : [];
    for (const watched of ofUsage) {
      const subjects = outgrown(watched, touched, customers, this.#headroom);
      if (!subjects || subjects.length > 0) await this.#lookAtUsage(watched, subjects);
    }
    if (ofEntitlements.length === 0) return;
    const reached = customers.filter(
      ({ id, stateToken, added }) => !this.#headroom.take(headroomKey(meterId, id), stateToken, added),
    );
    for (const chunk of chunks(reached))
      await this.#lookAt(namespace, { meterId, customerIds: chunk.map(({ id }) => id) });
  }

  async #lookAtUsage(watched: WatchedTogether, subjects: readonly string[] | undefined): Promise<void> {
    for (const chunk of subjects ? chunks(subjects) : [undefined]) {
      await this.#renew();
      this.metrics.thresholdEvents.inc(
        await lookAtUsage(this.sql, this.checks, watched, chunk, this.#headroom),
      );
    }
  }

  /** Between two chunks: throws where somebody else has the lease, or the service is being stopped. */
  async #renew(): Promise<void> {
    this.#signal?.throwIfAborted();
    if ((await feed.takeLease(this.sql, leaseName, this.#holder, leaseSeconds)) !== 'renewed')
      throw new Error('another limits service has taken over the watch over thresholds');
  }
}

function* chunks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += chunkMax) yield items.slice(at, at + chunkMax);
}
