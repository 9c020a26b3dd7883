import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as events from '@usage/db/notifications/events.ts';
import * as rules from '@usage/db/notifications/rules.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { RuleInput } from '@usage/lib/limits/api/notificationSchemas.ts';
import { RuleListQuery } from '@usage/lib/limits/api/queries.ts';
import { type Ask, bodyOf, pageAnswer } from '../http/ask.ts';
import { ofRule } from './fire.ts';
import { listingOf } from './listingOf.ts';
import { ruleFields } from './ruleFields.ts';
import { eventWire, ruleWire } from './wire.ts';

export function ruleHandlers(sql: Sql) {
  const audited = async (tx: Transaction, ask: Ask, action: string, rule: rules.Rule) => {
    const [after] = await ruleWire(tx, [rule]);
    await insertAudit(tx, ask.actor, { action, resource: 'rule', resourceId: rule.id, after });
    return after!;
  };
  return {
    async createNotificationRule(ask: Ask) {
      const fields = await ruleFields(sql, ask.namespace, await bodyOf(ask, RuleInput, 'rule'));
      return sql.begin(async (tx) =>
        audited(tx, ask, 'create', await rules.insertRule(tx, ask.namespace, fields)),
      );
    },
    async listNotificationRules({ namespace, request }: Ask) {
      const query = readParameters(RuleListQuery, request);
      const { page, listing } = listingOf(query);
      const filters = { features: query.feature, channels: query.channel };
      const found = await rules.listRules(sql, namespace, { ...listing, ...filters });
      return pageAnswer(page, found.total, await ruleWire(sql, found.rules));
    },
    async getNotificationRule(ask: Ask) {
      return (await ruleWire(sql, [await findRule(sql, ask)]))[0];
    },
    async updateNotificationRule(ask: Ask) {
      const fields = await ruleFields(sql, ask.namespace, await bodyOf(ask, RuleInput, 'rule'));
      return sql.begin(async (tx) => {
        const before = await findRule(tx, ask);
        if (before.type !== fields.type)
          throw new Problem('bad_request', 'The type of a rule can’t be changed.');
        return audited(tx, ask, 'update', await rules.replaceRule(tx, before.id, fields));
      });
    },
    async deleteNotificationRule(ask: Ask) {
      await sql.begin(async (tx) => {
        const rule = await findRule(tx, ask);
        await rules.markRuleDeleted(tx, rule.id);
        await audited(tx, ask, 'delete', rule);
      });
      return undefined;
    },
    async testNotificationRule(ask: Ask) {
      const rule = await findRule(sql, ask);
      const [wire] = await ruleWire(sql, [rule]);
      const id = events.newEventId();
      await sql.begin((tx) =>
        events.insertEvents(tx, [
          {
            id,
            ...ofRule(rule, wire!),
            payload: { isTest: true, data: testData(rule) },
            featureId: undefined,
            featureKey: undefined,
            subject: undefined,
          },
        ]),
      );
      return eventWire((await events.getEvent(sql, ask.namespace, id))!);
    },
  };
}

async function findRule(sql: Sql | Transaction, { namespace, params }: Ask): Promise<rules.Rule> {
  const rule = await rules.getRule(sql, namespace, params.ruleId!);
  if (rule && !rule.deletedAt) return rule;
  throw new Problem('not_found', 'There is no such rule.');
}

function testData({ type, thresholds, featureIds }: rules.Rule): object {
  const value = { hasAccess: true, balance: 200, usage: 800, overage: 0, totalAvailableGrantAmount: 1000 };
  const now = new Date().toISOString();
  const threshold = thresholds[0] && { threshold: thresholds[0], skippedThresholds: [] };
  if (type === 'usage.threshold')
    return { meter: 'test-meter', subject: 'test-subject', usage: 800, ...threshold };
  return {
    entitlement: {
      id: 'test-entitlement',
      type: 'metered',
      featureKey: 'test_feature',
      featureId: featureIds?.[0] ?? 'test',
    },
    feature: {
      id: featureIds?.[0] ?? 'test',
      key: 'test_feature',
      name: 'Test feature',
      createdAt: now,
      updatedAt: now,
    },
    subject: { id: 'test-subject', key: 'test-subject', createdAt: now, updatedAt: now },
    customer: { id: 'test-customer', name: 'Test customer', createdAt: now, updatedAt: now },
    value,
    ...threshold,
  };
}
