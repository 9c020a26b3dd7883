import type { Executor } from '@usage/db/connection/connect.ts';
import type { Channel } from '@usage/db/notifications/channels.ts';
import type { StoredEvent } from '@usage/db/notifications/events.ts';
import { namesOf } from '@usage/db/notifications/ruleNames.ts';
import type { Rule } from '@usage/db/notifications/rules.ts';

/** As OpenMeter answers: what is not set is left out. */
export function channelWire(channel: Channel, isSecretShown = true) {
  return {
    id: channel.id,
    type: 'WEBHOOK',
    name: channel.name,
    disabled: channel.disabled,
    url: channel.url,
    ...(channel.customHeaders && { customHeaders: channel.customHeaders }),
    ...(isSecretShown && { signingSecret: `whsec_${channel.signingSecret}` }),
    ...(channel.metadata && { metadata: channel.metadata }),
    ...(channel.annotations && { annotations: channel.annotations }),
    createdAt: channel.createdAt.toISOString(),
    updatedAt: channel.updatedAt.toISOString(),
    ...(channel.deletedAt && { deletedAt: channel.deletedAt.toISOString() }),
  };
}

/** In order, with the names of their features and meters. */
export async function ruleWire(sql: Executor, rules: readonly Rule[]): Promise<object[]> {
  const names = await namesOf(sql, rules);
  return rules.map((rule) => ({
    id: rule.id,
    type: rule.type,
    name: rule.name,
    disabled: rule.disabled,
    channels: rule.channelIds.map((id) => ({ id, type: 'WEBHOOK' })),
    ...(rule.type !== 'entitlements.reset' && { thresholds: rule.thresholds }),
    ...(rule.featureIds && {
      features: rule.featureIds.map((id) => ({ id, key: names.features.get(id) ?? '' })),
    }),
    ...(rule.usage && { usage: { meterSlug: names.meters.get(rule.meterId!) ?? '', ...rule.usage } }),
    ...(rule.metadata && { metadata: rule.metadata }),
    createdAt: rule.createdAt.toISOString(),
    updatedAt: rule.updatedAt.toISOString(),
    ...(rule.deletedAt && { deletedAt: rule.deletedAt.toISOString() }),
  }));
}

export function eventWire({ id, type, createdAt, rule, payload, deliveries }: StoredEvent) {
  return {
    id,
    type,
    createdAt: createdAt.toISOString(),
    rule,
    payload,
    deliveryStatus: deliveries.map(({ channelId, state, reason, updatedAt, nextAttempt, attempts }) => ({
      channel: { id: channelId, type: 'WEBHOOK' },
      state,
      reason,
      updatedAt,
      ...(nextAttempt !== null && { nextAttempt }),
      attempts: attempts.map((attempt) => ({
        state: attempt.state,
        timestamp: attempt.at,
        response: {
          ...(attempt.statusCode !== null && { statusCode: attempt.statusCode }),
          body: attempt.body,
          durationMs: attempt.durationMs,
          url: attempt.url,
        },
      })),
    })),
  };
}
