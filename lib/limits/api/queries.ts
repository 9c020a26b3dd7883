import { type Static, Type } from '@sinclair/typebox';
import { choice, closedObject, flag, text, time, wholeNumber } from '../../validation/schema.ts';
import { windowSizes } from '../../windows/windows.ts';
import { entitlementOrders, entitlementTypes, grantOrders } from './entitlementSchemas.ts';
import { eventOrders, notificationOrders } from './notificationSchemas.ts';
import { pageMax, pageSizeMax } from './schemas.ts';

/** The parameters of this API's routes: what is valid, and what Swagger shows. */

const customerOrders = ['id', 'name', 'createdAt'] as const;
const featureOrders = ['id', 'key', 'name', 'createdAt', 'updatedAt'] as const;
const textLengthMax = 1_024;
const textsMax = 100;
const pageSizeDefault = 100;

const one = (description: string) => Type.Optional(text({ maxLength: textLengthMax, description }));
const some = (description: string) =>
  Type.Optional(Type.Array(text({ maxLength: textLengthMax }), { maxItems: textsMax, description }));
const isSo = (description: string) => Type.Optional(flag({ default: false, description }));
const at = (description: string) => Type.Optional(time(description));

const paging = {
  page: Type.Optional(
    wholeNumber({ minimum: 1, maximum: pageMax }, { default: 1, description: 'Number of the page.' }),
  ),
  pageSize: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: pageSizeMax },
      { default: pageSizeDefault, description: 'Items on a page.' },
    ),
  ),
};
/** OpenMeter's older way. */
const offsets = {
  limit: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: pageSizeMax },
      { default: pageSizeMax, description: 'Without page: items at most.' },
    ),
  ),
  offset: Type.Optional(
    wholeNumber(
      { minimum: 0, maximum: pageMax },
      { default: 0, description: 'Without page: items left out.' },
    ),
  ),
};
const ordering = <const T extends string>(fields: readonly T[]) => ({
  orderBy: Type.Optional(choice(fields, { description: 'The field to order by.' })),
  order: Type.Optional(choice(['ASC', 'DESC'], { default: 'ASC', description: 'The direction.' })),
});

const expand = Type.Optional(
  Type.Array(Type.String(), {
    maxItems: textsMax,
    description: 'Of billing, which is not part of this system: 501.',
  }),
);

export const CustomerQuery = closedObject({ expand });
export const CustomerListQuery = closedObject({
  ...paging,
  ...ordering(customerOrders),
  includeDeleted: isSo('Deleted customers too.'),
  key: one('A part of the key, whatever the case.'),
  name: one('A part of the name, whatever the case.'),
  primaryEmail: one('A part of the e-mail address, whatever the case.'),
  subject: one('A part of a subject key, whatever the case.'),
  planKey: one('Of billing, which is not part of this system: 501.'),
  expand,
});
export const FeatureListQuery = closedObject({
  ...paging,
  ...offsets,
  ...ordering(featureOrders),
  includeArchived: isSo('Archived features too.'),
  meterSlug: some('Features of these meters only.'),
});

const entitlements = {
  ...paging,
  ...offsets,
  ...ordering(entitlementOrders),
  feature: some('Keys or ids of features.'),
  entitlementType: Type.Optional(
    Type.Array(choice(entitlementTypes), { maxItems: textsMax, description: 'Of these types only.' }),
  ),
  excludeInactive: isSo('Deleted ones are never listed here, and the others are active: it changes nothing.'),
};
export const EntitlementListQuery = closedObject({ ...entitlements, subject: some('Keys of subjects.') });
export const EntitlementListV2Query = closedObject({
  ...entitlements,
  customerKeys: some('Keys of customers.'),
  customerIds: some('Ids of customers.'),
});
export const OwnedEntitlementListQuery = closedObject({
  ...paging,
  ...offsets,
  ...ordering(entitlementOrders),
  includeDeleted: isSo('Deleted ones too.'),
});
export const ValueQuery = closedObject({ time: at('Now where it is left out.') });
export const HistoryQuery = closedObject({
  from: at('The start of the current usage period where it is left out.'),
  to: at('Now where it is left out.'),
  windowSize: choice(windowSizes, { description: 'Of windowedHistory.' }),
  windowTimeZone: Type.Optional(text({ maxLength: 64, default: 'UTC', description: 'Zone of the windows.' })),
});

const grants = {
  ...paging,
  ...offsets,
  ...ordering(grantOrders),
  includeDeleted: isSo('Voided ones too.'),
};
export const OwnedGrantListQuery = closedObject(grants);
export const GrantListQuery = closedObject({
  ...grants,
  feature: some('Keys of features.'),
  subject: some('Keys of subjects.'),
});
export const GrantListV2Query = closedObject({
  ...grants,
  feature: some('Keys of features.'),
  customer: some('Ids or keys of customers.'),
});

const notifications = {
  ...paging,
  ...ordering(notificationOrders),
  includeDeleted: isSo('Deleted ones too.'),
  includeDisabled: isSo('Disabled ones too.'),
};
export const ChannelListQuery = closedObject(notifications);
export const RuleListQuery = closedObject({
  ...notifications,
  feature: some('Ids or keys of features.'),
  channel: some('Ids of channels.'),
});
export const EventListQuery = closedObject({
  ...paging,
  ...ordering(eventOrders),
  from: at('Events from then on.'),
  to: at('Events before then.'),
  feature: some('Ids or keys of features.'),
  subject: some('Keys of subjects.'),
  rule: some('Ids of rules.'),
  channel: some('Ids of channels.'),
});
export const AuditListQuery = closedObject({
  resource: one('Changes of this kind of resource only.'),
  resourceId: one('Changes of this resource only.'),
  cursor: Type.Optional(
    text({
      maxLength: 15,
      description: 'The nextCursor of the page before.',
      issue: (cursor) => (/^[1-9]\d*$/.test(cursor) ? undefined : 'must be the nextCursor of a page'),
    }),
  ),
  limit: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: pageSizeMax },
      { default: pageSizeDefault, description: 'Entries on a page.' },
    ),
  ),
});

export interface Window {
  page: number;
  pageSize: number;
  limit: number;
  offset: number;
}

type Paging = Partial<Window>;

/** What part of a list is asked for: by page and pageSize, or by limit and offset. */
export function windowOf(query: Paging): Window {
  const { page = 1, pageSize = pageSizeDefault, limit = pageSizeMax, offset = 0 } = query;
  if (wantsPage(query)) return { page, pageSize, limit: pageSize, offset: (page - 1) * pageSize };
  return { page, pageSize, limit, offset };
}

/** Whether the client asks for pages: without, OpenMeter's older lists are arrays. */
export function wantsPage({ page, pageSize }: Paging): boolean {
  return page !== undefined || pageSize !== undefined;
}

export type NotificationListQuery = Static<typeof ChannelListQuery>;
