import type { Sql } from '@usage/db/connection/connect.ts';
import { type ActiveRule, activeRules } from '@usage/db/notifications/rules.ts';
import type { WatchedRule } from './entitlementWatch.ts';
import { type WatchedTogether, watchedTogether } from './usageWatch.ts';
import { ruleWire } from './wire.ts';

const readMsMax = 1_000;

/** The rules that are watched, read again once a second. */
export class WatchedRules {
  /** Of all namespaces. */
  active: ActiveRule[] = [];
  /** Of plain usage. */
  usage: WatchedTogether[] = [];
  #wires = new Map<string, WatchedRule>();
  #readMs = Number.NEGATIVE_INFINITY;

  constructor(readonly sql: Sql) {}

  /** True where they have changed. */
  async read(): Promise<boolean> {
    if (performance.now() - this.#readMs < readMsMax) return false;
    const before = nameOf(this.active);
    const active = await activeRules(this.sql);
    const wires = await ruleWire(this.sql, active);
    this.#wires = new Map(active.map((rule, i) => [rule.id, { rule, wire: wires[i]! }]));
    this.active = active;
    this.#readMs = performance.now();
    if (nameOf(active) === before) return false;
    this.usage = watchedTogether(active.filter(({ type }) => type === 'usage.threshold').map(this.#watched));
    return true;
  }

  /** On entitlements. */
  ofNamespace(namespace: string): WatchedRule[] {
    return this.active
      .filter((rule) => rule.namespace === namespace && rule.type !== 'usage.threshold')
      .map(this.#watched);
  }

  readonly #watched = ({ id }: ActiveRule) => this.#wires.get(id)!;
}

/** Names a set of rules as they are. */
function nameOf(rules: readonly ActiveRule[]): string {
  return rules.map(({ id, updatedAt }) => `${id} ${updatedAt.getTime()}`).join();
}
