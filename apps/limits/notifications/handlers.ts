import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as channels from '@usage/db/notifications/channels.ts';
import * as events from '@usage/db/notifications/events.ts';
import * as rules from '@usage/db/notifications/rules.ts';
import { parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { invalid } from '@usage/lib/http/faults.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import {
  ChannelInput,
  eventOrders,
  notificationOrders,
  ResendInput,
  RuleInput,
} from '@usage/lib/limits/api/notifications.ts';
import { type Ask, bodyOf, optionalBodyOf, pageAnswer, QueryReader } from '../http/ask.ts';
import { isRefused } from './addresses.ts';
import { common } from './fire.ts';
import { ruleFields } from './ruleFields.ts';
import type { SendOptions } from './send.ts';
import { channelWire, eventWire, ruleWire } from './wire.ts';

/** Channels, rules and events. Errors are thrown as Problem. */
export function notificationHandlers(sql: Sql, options: SendOptions) {
  return { ...channelHandlers(sql, options), ...ruleHandlers(sql), ...eventHandlers(sql) };
}

function channelHandlers(sql: Sql, options: SendOptions) {
  const audited = (tx: Transaction, ask: Ask, action: string, channel: channels.Channel) =>
    insertAudit(tx, ask.actor, {
      action,
      resource: 'channel',
      resourceId: channel.id,
      after: channelWire({ ...channel, customHeaders: undefined }, false),
    });
  return {
    async createNotificationChannel(ask: Ask) {
      const fields = channelFields(await bodyOf(ask, ChannelInput, 'channel'), options, undefined);
      return sql.begin(async (tx) => {
        const channel = await channels.insertChannel(tx, ask.namespace, fields);
        await audited(tx, ask, 'create', channel);
        return channelWire(channel);
      });
    },
    async listNotificationChannels({ namespace, query }: Ask) {
      const { window, listing, read } = listingOf(query);
      read.done();
      const found = await channels.listChannels(sql, namespace, listing);
      return pageAnswer(
        window,
        found.total,
        found.channels.map((one) => channelWire(one)),
      );
    },
    async getNotificationChannel(ask: Ask) {
      return channelWire(await findChannel(sql, ask));
    },
    async updateNotificationChannel(ask: Ask) {
      const input = await bodyOf(ask, ChannelInput, 'channel');
      return sql.begin(async (tx) => {
        const before = await findChannel(tx, ask);
        const channel = await channels.replaceChannel(
          tx,
          before.id,
          channelFields(input, options, before.signingSecret),
        );
        await audited(tx, ask, 'update', channel);
        return channelWire(channel);
      });
    },
    async deleteNotificationChannel(ask: Ask) {
      await sql.begin(async (tx) => {
        const channel = await findChannel(tx, ask);
        await channels.markChannelDeleted(tx, channel.id);
        await audited(tx, ask, 'delete', channel);
      });
      return undefined;
    },
  };
}

function ruleHandlers(sql: Sql) {
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
    async listNotificationRules({ namespace, query }: Ask) {
      const { window, listing, read } = listingOf(query);
      const filters = { features: read.texts('feature'), channels: read.texts('channel') };
      read.done();
      const found = await rules.listRules(sql, namespace, { ...listing, ...filters });
      return pageAnswer(window, found.total, await ruleWire(sql, found.rules));
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
        events.insertEvent(tx, id, {
          ...common(rule, wire!),
          payload: { isTest: true, data: testData(rule) },
          featureId: undefined,
          featureKey: undefined,
          subject: undefined,
        }),
      );
      return eventWire((await events.getEvent(sql, ask.namespace, id))!);
    },
  };
}

function eventHandlers(sql: Sql) {
  const find = async ({ namespace, params }: Ask) => {
    const event = await events.getEvent(sql, namespace, params.eventId!);
    if (event) return event;
    throw new Problem('not_found', 'There is no such event.');
  };
  return {
    async listNotificationEvents({ namespace, query }: Ask) {
      const read = new QueryReader(query);
      const window = read.window();
      const time = (name: string) =>
        read.value(name, (text, fault) => {
          const reason = timeFault(text);
          if (reason) fault(reason);
          return parseTimeUs(text);
        });
      const listing = {
        ...window,
        ...read.order(eventOrders, 'createdAt'),
        ...(query.has('order') ? {} : { order: 'DESC' as const }),
        fromUs: time('from'),
        toUs: time('to'),
        features: read.texts('feature'),
        subjects: read.texts('subject'),
        rules: read.texts('rule'),
        channels: read.texts('channel'),
      };
      read.done();
      const found = await events.listEvents(sql, namespace, listing);
      return pageAnswer(window, found.total, found.events.map(eventWire));
    },
    async getNotificationEvent(ask: Ask) {
      return eventWire(await find(ask));
    },
    async resendNotificationEvent(ask: Ask) {
      const input = await optionalBodyOf(ask, ResendInput, 'request');
      const event = await find(ask);
      await sql.begin(async (tx) => {
        if (!(await events.resendEvent(tx, event.id, input.channels ?? undefined)))
          throw new Problem('bad_request', 'The event was not sent to any of these channels.');
        await insertAudit(tx, ask.actor, { action: 'resend', resource: 'event', resourceId: event.id });
      });
      return new Response(null, { status: 202 });
    },
  };
}

function listingOf(query: URLSearchParams) {
  const read = new QueryReader(query);
  const window = read.window();
  const listing = {
    ...window,
    ...read.order(notificationOrders, 'createdAt'),
    includeDeleted: read.flag('includeDeleted'),
    includeDisabled: read.flag('includeDisabled'),
  };
  return { read, window, listing };
}

async function findChannel(sql: Sql | Transaction, { namespace, params }: Ask): Promise<channels.Channel> {
  const channel = await channels.getChannel(sql, namespace, params.channelId!);
  if (channel && !channel.deletedAt) return channel;
  throw new Problem('not_found', 'There is no such channel.');
}

async function findRule(sql: Sql | Transaction, { namespace, params }: Ask): Promise<rules.Rule> {
  const rule = await rules.getRule(sql, namespace, params.ruleId!);
  if (rule && !rule.deletedAt) return rule;
  throw new Problem('not_found', 'There is no such rule.');
}

const secretBytes = 24;

function channelFields(
  input: ChannelInput,
  { addresses }: SendOptions,
  secretBefore: string | undefined,
): channels.ChannelFields {
  const url = URL.parse(input.url);
  const reason =
    !url || !/^https?:$/.test(url.protocol)
      ? 'must be an http or https URL'
      : url.username || url.password
        ? 'must not hold a user or password: use customHeaders'
        : addresses === 'public' && isIP(url.hostname.replace(/^\[|\]$/g, '')) > 0 && isRefused(url.hostname)
          ? 'must be a public address'
          : undefined;
  if (reason) throw invalid('channel', [{ field: 'url', reason }]);
  const given = input.signingSecret?.replace(/^whsec_/, '');
  return {
    name: input.name,
    disabled: input.disabled ?? false,
    url: url!.href,
    customHeaders: input.customHeaders ?? undefined,
    signingSecret: given ?? secretBefore ?? randomBytes(secretBytes).toString('base64'),
    metadata: input.metadata ?? undefined,
  };
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
