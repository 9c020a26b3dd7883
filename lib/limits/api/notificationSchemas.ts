import { type Static, Type } from '@sinclair/typebox';
import { literals } from './entitlementSchemas.ts';
import { closed, exampleId, exampleTime, Id, Metadata, managed, Name, Nullable, Time } from './schemas.ts';

export const notificationOrders = ['id', 'type', 'createdAt', 'updatedAt'] as const;
export const eventOrders = ['id', 'createdAt'] as const;

const channelFields = {
  type: literals(['WEBHOOK']),
  name: Name,
  disabled: Nullable(Type.Boolean()),
  url: Type.String({
    minLength: 1,
    maxLength: 2_048,
    description: 'http or https.',
    examples: ['https://example.com/hook'],
  }),
  customHeaders: Nullable(
    Type.Record(
      Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", maxLength: 128 }),
      Type.String({ pattern: '^[\\x20-\\x7e]*$', maxLength: 2_048 }),
      { maxProperties: 20 },
    ),
  ),
  signingSecret: Nullable(
    Type.String({
      pattern: '^(whsec_)?[A-Za-z0-9+/]{24,}={0,2}$',
      maxLength: 128,
      description: 'base64, with or without whsec_; made here where it is left out.',
    }),
  ),
  metadata: Nullable(Metadata),
};
export const ChannelInput = closed(channelFields);
export type ChannelInput = Static<typeof ChannelInput>;
export const ChannelWire = Type.Object({ id: Id, ...channelFields, ...managed });

const Threshold = closed({
  type: literals(['PERCENT', 'NUMBER', 'balance_value', 'usage_percentage', 'usage_value']),
  value: Type.Number({ minimum: 0 }),
});
const WatchedUsage = closed(
  {
    meterSlug: Type.String({ minLength: 1, maxLength: 64 }),
    of: literals(['subject', 'customer', 'group', 'all']),
    groupBy: Nullable(Type.Array(Type.String(), { minItems: 1, maxItems: 10, description: 'Of `group`.' })),
    period: literals(['DAY', 'MONTH', 'ROLLING']),
    timeZone: Nullable(Type.String({ maxLength: 64, description: 'Of DAY and MONTH; UTC by default.' })),
    seconds: Nullable(
      Type.Integer({ minimum: 60, maximum: 31_622_400, description: 'Of ROLLING: length of the window.' }),
    ),
    filterGroupBy: Nullable(Type.Record(Type.String(), Type.String())),
  },
  'Of usage.threshold: whose usage of a meter, and in which time.',
);

const ruleFields = {
  type: literals(['entitlements.balance.threshold', 'entitlements.reset', 'usage.threshold']),
  name: Name,
  disabled: Nullable(Type.Boolean()),
  thresholds: Nullable(Type.Array(Threshold, { minItems: 1, maxItems: 20 })),
  features: Nullable(
    Type.Array(Type.String({ maxLength: 64 }), {
      maxItems: 100,
      description: 'Ids or keys; all where left out.',
    }),
  ),
  channels: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 20 }),
  usage: Nullable(WatchedUsage),
  metadata: Nullable(Metadata),
};
export const RuleInput = closed(ruleFields);
export type RuleInput = Static<typeof RuleInput>;
export const RuleWire = Type.Object({
  id: Id,
  type: ruleFields.type,
  name: Name,
  disabled: Type.Boolean(),
  channels: Type.Array(Type.Object({ id: Id, type: Type.String() })),
  thresholds: Type.Optional(Type.Array(Threshold)),
  features: Type.Optional(Type.Array(Type.Object({ id: Id, key: Type.String() }))),
  usage: Type.Optional(WatchedUsage),
  metadata: Type.Optional(Metadata),
  ...managed,
});

export const EventWire = Type.Object({
  id: Type.String({ description: 'Also the webhook-id of every delivery: dedupe by it.' }),
  type: Type.String(),
  createdAt: Time('When it fired.'),
  rule: RuleWire,
  payload: Type.Unknown({ description: 'What is sent.' }),
  deliveryStatus: Type.Array(
    Type.Object({
      channel: Type.Object({ id: Id, type: Type.String() }),
      state: Type.String({ description: 'SUCCESS, FAILED, SENDING, PENDING, RESENDING' }),
      reason: Type.String(),
      updatedAt: Time('When it changed.'),
      nextAttempt: Type.Optional(Time('When it is tried again.')),
      attempts: Type.Array(Type.Unknown(), {
        description: 'The newest first, with status and start of the answer.',
      }),
    }),
  ),
});
export const ResendInput = closed({ channels: Nullable(Type.Array(Type.String(), { maxItems: 20 })) });

export const channelGiven = { type: 'WEBHOOK', name: 'hook', url: 'https://example.com/hook' };
export const channelExample = {
  id: exampleId,
  ...channelGiven,
  disabled: false,
  signingSecret: 'whsec_S6g2HLnTwd9AhHwUIMFggVS9OfoPafN8',
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
export const ruleGiven = {
  type: 'entitlements.balance.threshold',
  name: '80 % and all',
  thresholds: [
    { type: 'usage_percentage', value: 80 },
    { type: 'usage_percentage', value: 100 },
  ],
  channels: [exampleId],
  features: ['api_calls'],
};
export const ruleExample = {
  id: exampleId,
  ...ruleGiven,
  disabled: false,
  channels: [{ id: exampleId, type: 'WEBHOOK' }],
  features: [{ id: exampleId, key: 'api_calls' }],
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
export const eventExample = {
  id: exampleId,
  type: 'entitlements.balance.threshold',
  createdAt: exampleTime,
  rule: ruleExample,
  payload: {},
  deliveryStatus: [],
};
