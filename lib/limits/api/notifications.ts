import { type Static, Type } from '@sinclair/typebox';
import { parameter } from '../../http/documentation.ts';
import { literals } from './entitlementSchemas.ts';
import { readers, route, writers } from './route.ts';
import {
  closed,
  exampleId,
  examplePage,
  exampleTime,
  flag,
  Id,
  Metadata,
  managed,
  Name,
  Nullable,
  orderParameters,
  pageOf,
  pageParameters,
  Time,
  texts,
} from './schemas.ts';

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
const ChannelWire = Type.Object({ id: Id, ...channelFields, ...managed });

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
const RuleWire = Type.Object({
  id: Id,
  type: ruleFields.type,
  name: Name,
  disabled: Type.Boolean(),
  channels: Type.Array(Type.Object({ id: Id, type: Type.String() })),
  thresholds: Type.Optional(Type.Array(Threshold)),
  features: Type.Optional(Type.Array(Type.Object({ id: Id, key: Type.String() }))),
  usage: Type.Optional(WatchedUsage),
  ...managed,
});

const EventWire = Type.Object({
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

const channelGiven = { type: 'WEBHOOK', name: 'hook', url: 'https://example.com/hook' };
const channelExample = {
  id: exampleId,
  ...channelGiven,
  disabled: false,
  signingSecret: 'whsec_S6g2HLnTwd9AhHwUIMFggVS9OfoPafN8',
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
const ruleGiven = {
  type: 'entitlements.balance.threshold',
  name: '80 % and all',
  thresholds: [
    { type: 'usage_percentage', value: 80 },
    { type: 'usage_percentage', value: 100 },
  ],
  channels: [exampleId],
  features: ['api_calls'],
};
const ruleExample = {
  id: exampleId,
  ...ruleGiven,
  disabled: false,
  channels: [{ id: exampleId, type: 'WEBHOOK' }],
  features: [{ id: exampleId, key: 'api_calls' }],
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
const eventExample = {
  id: exampleId,
  type: 'entitlements.balance.threshold',
  createdAt: exampleTime,
  rule: ruleExample,
  payload: {},
  deliveryStatus: [],
};

const tag = 'Notifications';
const listParameters = [
  ...pageParameters,
  ...orderParameters(notificationOrders),
  flag('includeDeleted', 'Deleted ones too.'),
  flag('includeDisabled', 'Disabled ones too.'),
];
const channel = { description: 'The channel.', schema: ChannelWire, example: channelExample };
const rule = { description: 'The rule.', schema: RuleWire, example: ruleExample };
const event = { description: 'The event.', schema: EventWire, example: eventExample };
const page = (item: Parameters<typeof pageOf>[0], example: object) => ({
  description: 'A page.',
  schema: pageOf(item),
  example: examplePage(example),
});

export const notificationRoutes = {
  createNotificationChannel: route('POST /api/v1/notification/channels', writers, {
    tag,
    summary: 'Create a channel',
    description:
      'Requests are signed as standardwebhooks.com says. Private addresses are refused unless the operator allows them.',
    body: { schema: ChannelInput, example: channelGiven },
    answer: { ...channel, status: 201 },
  }),
  listNotificationChannels: route('GET /api/v1/notification/channels', writers, {
    tag,
    summary: 'List channels',
    parameters: listParameters,
    answer: page(ChannelWire, channelExample),
    problems: [400],
  }),
  getNotificationChannel: route('GET /api/v1/notification/channels/:channelId', writers, {
    tag,
    summary: 'Get a channel',
    answer: channel,
    problems: [404],
  }),
  updateNotificationChannel: route('PUT /api/v1/notification/channels/:channelId', writers, {
    tag,
    summary: 'Replace a channel',
    description:
      'Without signingSecret the secret stays. `disabled: false` opens a channel that was disabled because it failed.',
    body: { schema: ChannelInput, example: channelGiven },
    answer: channel,
    problems: [404],
  }),
  deleteNotificationChannel: route('DELETE /api/v1/notification/channels/:channelId', writers, {
    tag,
    summary: 'Delete a channel',
    problems: [404],
  }),
  createNotificationRule: route('POST /api/v1/notification/rules', writers, {
    tag,
    summary: 'Create a rule',
    description:
      'A threshold fires once for each entitlement (subject, customer, group) and period, when it is reached (≥; balance_value: ≤). `usage.threshold` is beyond OpenMeter: usage of a meter without any entitlement.',
    body: { schema: RuleInput, example: ruleGiven },
    answer: { ...rule, status: 201 },
  }),
  listNotificationRules: route('GET /api/v1/notification/rules', readers, {
    tag,
    summary: 'List rules',
    parameters: [
      ...listParameters,
      texts('feature', 'Ids or keys of features.'),
      texts('channel', 'Ids of channels.'),
    ],
    answer: page(RuleWire, ruleExample),
    problems: [400],
  }),
  getNotificationRule: route('GET /api/v1/notification/rules/:ruleId', readers, {
    tag,
    summary: 'Get a rule',
    answer: rule,
    problems: [404],
  }),
  updateNotificationRule: route('PUT /api/v1/notification/rules/:ruleId', writers, {
    tag,
    summary: 'Replace a rule',
    body: { schema: RuleInput, example: ruleGiven },
    answer: rule,
    problems: [404],
  }),
  deleteNotificationRule: route('DELETE /api/v1/notification/rules/:ruleId', writers, {
    tag,
    summary: 'Delete a rule',
    problems: [404],
  }),
  testNotificationRule: route('POST /api/v1/notification/rules/:ruleId/test', writers, {
    tag,
    summary: 'Send an event of the rule with made-up figures to its channels',
    answer: { ...event, status: 201 },
    problems: [404],
  }),
  listNotificationEvents: route('GET /api/v1/notification/events', readers, {
    tag,
    summary: 'List events, with their deliveries',
    parameters: [
      ...pageParameters,
      ...orderParameters(eventOrders),
      parameter('query', 'from', Time('Start.'), 'Events from then on.'),
      parameter('query', 'to', Time('End.'), 'Events before then.'),
      texts('feature', 'Ids or keys of features.'),
      texts('subject', 'Keys of subjects.'),
      texts('rule', 'Ids of rules.'),
      texts('channel', 'Ids of channels.'),
    ],
    answer: page(EventWire, eventExample),
    problems: [400],
  }),
  getNotificationEvent: route('GET /api/v1/notification/events/:eventId', readers, {
    tag,
    summary: 'Get an event, with its deliveries',
    answer: event,
    problems: [404],
  }),
  resendNotificationEvent: route('POST /api/v1/notification/events/:eventId/resend', writers, {
    tag,
    summary: 'Send an event again',
    body: { schema: ResendInput, example: {} },
    answer: { status: 202, description: 'It is on its way.', schema: Type.Object({}), example: {} },
    problems: [404],
  }),
};
