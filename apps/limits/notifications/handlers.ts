import type { Sql } from '@usage/db/connection/connect.ts';
import { channelHandlers } from './channelHandlers.ts';
import { eventHandlers } from './eventHandlers.ts';
import { ruleHandlers } from './ruleHandlers.ts';
import type { SendOptions } from './send.ts';

/** Channels, rules and events. Errors are thrown as Problem. */
export function notificationHandlers(sql: Sql, options: SendOptions) {
  return { ...channelHandlers(sql, options), ...ruleHandlers(sql), ...eventHandlers(sql) };
}
