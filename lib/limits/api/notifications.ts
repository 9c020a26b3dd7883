import { Type } from '@sinclair/typebox';
import {
  ChannelInput,
  ChannelWire,
  channelExample,
  channelGiven,
  EventWire,
  eventExample,
  ResendInput,
  RuleInput,
  RuleWire,
  ruleExample,
  ruleGiven,
} from './notificationSchemas.ts';
import { ChannelListQuery, EventListQuery, RuleListQuery } from './queries.ts';
import { readers, route, writers } from './route.ts';
import { examplePage, pageOf } from './schemas.ts';

const tag = 'Notifications';
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
    query: ChannelListQuery,
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
    query: RuleListQuery,
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
    query: EventListQuery,
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
