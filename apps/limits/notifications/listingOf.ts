import { notificationOrders } from '@usage/lib/limits/api/notificationSchemas.ts';
import { QueryReader } from '../http/ask.ts';

/** What lists of channels and of rules have in common: page, order, deleted and disabled ones. */
export function listingOf(query: URLSearchParams) {
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
