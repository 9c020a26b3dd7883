import { type NotificationListQuery, windowOf } from '@usage/lib/limits/api/queries.ts';

/** What lists of channels and of rules have in common: page, order, deleted and disabled ones. */
export function listingOf(query: NotificationListQuery) {
  const { orderBy = 'createdAt', order = 'ASC', includeDeleted = false, includeDisabled = false } = query;
  const { page, pageSize } = windowOf(query);
  const limit = pageSize;
  const listing = { limit, offset: (page - 1) * pageSize, orderBy, order, includeDeleted, includeDisabled };
  return { page: { page, pageSize }, listing } as const;
}
