import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalJson } from '../limits/columns.ts';

export interface Channel {
  /** ULID. */
  id: string;
  namespace: string;
  name: string;
  disabled: boolean;
  url: string;
  customHeaders: Record<string, string> | undefined;
  /** base64. */
  signingSecret: string;
  metadata: Record<string, string> | undefined;
  annotations: Record<string, unknown> | undefined;
  failingSince: Date | undefined;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | undefined;
}

export type ChannelFields = Pick<
  Channel,
  'name' | 'disabled' | 'url' | 'customHeaders' | 'signingSecret' | 'metadata'
>;

export type NotificationOrder = 'id' | 'type' | 'createdAt' | 'updatedAt';

export interface NotificationListing {
  limit: number;
  offset: number;
  orderBy: NotificationOrder;
  order: 'ASC' | 'DESC';
  includeDeleted: boolean;
  includeDisabled: boolean;
}

export async function insertChannel(
  tx: Transaction,
  namespace: string,
  fields: ChannelFields,
): Promise<Channel> {
  const [row] = await tx<ChannelRow[]>`
    INSERT INTO notification_channels AS c (id, namespace, type, name, disabled, url, custom_headers, signing_secret, metadata)
    VALUES (${ulid()}, ${namespace}, 'WEBHOOK', ${fields.name}, ${fields.disabled}, ${fields.url},
            ${optionalJson(tx, fields.customHeaders)}, ${fields.signingSecret}, ${optionalJson(tx, fields.metadata)})
    RETURNING ${columns(tx)}`;
  return toChannel(row!);
}

/** Enabling it anew forgets that it failed. */
export async function replaceChannel(tx: Transaction, id: string, fields: ChannelFields): Promise<Channel> {
  const [row] = await tx<ChannelRow[]>`
    UPDATE notification_channels AS c SET name = ${fields.name}, disabled = ${fields.disabled}, url = ${fields.url},
      custom_headers = ${optionalJson(tx, fields.customHeaders)}, signing_secret = ${fields.signingSecret},
      metadata = ${optionalJson(tx, fields.metadata)}, updated_at = now(),
      failing_since = CASE WHEN ${fields.disabled} THEN failing_since END,
      annotations = CASE WHEN ${fields.disabled} THEN annotations END
    WHERE id = ${id} RETURNING ${columns(tx)}`;
  return toChannel(row!);
}

export async function markChannelDeleted(tx: Transaction, id: string): Promise<void> {
  await tx`UPDATE notification_channels SET deleted_at = now(), updated_at = now() WHERE id = ${id}`;
}

export async function getChannel(sql: Executor, namespace: string, id: string): Promise<Channel | undefined> {
  const [row] = await sql<ChannelRow[]>`
    SELECT ${columns(sql)} FROM notification_channels c WHERE c.namespace = ${namespace} AND c.id = ${id}`;
  return row && toChannel(row);
}

/** Those of the ids that are not deleted. */
export async function channelsById(
  sql: Executor,
  namespace: string,
  ids: readonly string[],
): Promise<Channel[]> {
  const rows = await sql<ChannelRow[]>`
    SELECT ${columns(sql)} FROM notification_channels c
    WHERE c.namespace = ${namespace} AND c.id = ANY(${[...ids]}::text[]) AND c.deleted_at IS NULL`;
  return rows.map(toChannel);
}

export async function listChannels(
  sql: Executor,
  namespace: string,
  listing: NotificationListing,
): Promise<{ channels: Channel[]; total: number }> {
  const from = sql`FROM notification_channels c WHERE c.namespace = ${namespace}
    ${listing.includeDeleted ? sql`` : sql`AND c.deleted_at IS NULL`} ${listing.includeDisabled ? sql`` : sql`AND NOT c.disabled`}`;
  const column = { id: 'c.id', type: 'c.type', createdAt: 'c.created_at', updatedAt: 'c.updated_at' }[
    listing.orderBy
  ];
  const rows = await sql<ChannelRow[]>`
    SELECT ${columns(sql)} ${from} ORDER BY ${sql(column)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, c.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`SELECT count(*)::int AS total ${from}`;
  return { channels: rows.map(toChannel), total: count!.total };
}

/**
 * Notes whether an attempt at a time succeeded. A channel that has only failed for `disableAfterHours` is disabled, with the reason
 * in its annotations; true then.
 */
export async function noteAttempt(
  sql: Executor,
  id: string,
  succeeded: boolean,
  at: Date,
  disableAfterHours: number,
): Promise<boolean> {
  if (succeeded) {
    await sql`UPDATE notification_channels SET failing_since = NULL WHERE id = ${id} AND failing_since IS NOT NULL`;
    return false;
  }
  const time = sql`${at.toISOString()}::text::timestamptz`;
  const isOver = sql`coalesce(failing_since < ${time} - ${disableAfterHours} * interval '1 hour', false)`;
  const [row] = await sql<{ disabled: boolean }[]>`
    UPDATE notification_channels SET failing_since = coalesce(failing_since, ${time}), disabled = ${isOver},
      annotations = CASE WHEN ${isOver}
        THEN coalesce(annotations, '{}') || jsonb_build_object('disabledReason', 'every attempt has failed since ' || failing_since)
        ELSE annotations END
    WHERE id = ${id} AND NOT disabled RETURNING disabled`;
  return row?.disabled ?? false;
}

interface ChannelRow {
  id: string;
  namespace: string;
  name: string;
  disabled: boolean;
  url: string;
  custom_headers: Record<string, string> | null;
  signing_secret: string;
  metadata: Record<string, string> | null;
  annotations: Record<string, unknown> | null;
  failing_since: Date | null;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
}

function columns(sql: Executor) {
  return sql`c.id, c.namespace, c.name, c.disabled, c.url, c.custom_headers, c.signing_secret, c.metadata, c.annotations,
    c.failing_since, c.created_at, c.updated_at, c.deleted_at`;
}

function toChannel(row: ChannelRow): Channel {
  return {
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    disabled: row.disabled,
    url: row.url,
    customHeaders: row.custom_headers ?? undefined,
    signingSecret: row.signing_secret,
    metadata: row.metadata ?? undefined,
    annotations: row.annotations ?? undefined,
    failingSince: row.failing_since ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at ?? undefined,
  };
}
