import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as channels from '@usage/db/notifications/channels.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { ChannelInput } from '@usage/lib/limits/api/notificationSchemas.ts';
import { ChannelListQuery } from '@usage/lib/limits/api/queries.ts';
import { type Ask, bodyOf, pageAnswer } from '../http/ask.ts';
import { isRefused } from './addresses.ts';
import { listingOf } from './listingOf.ts';
import type { SendOptions } from './send.ts';
import { channelWire } from './wire.ts';

export function channelHandlers(sql: Sql, options: SendOptions) {
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
    async listNotificationChannels({ namespace, request }: Ask) {
      const { page, listing } = listingOf(readParameters(ChannelListQuery, request));
      const found = await channels.listChannels(sql, namespace, listing);
      return pageAnswer(
        page,
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

async function findChannel(sql: Sql | Transaction, { namespace, params }: Ask): Promise<channels.Channel> {
  const channel = await channels.getChannel(sql, namespace, params.channelId!);
  if (channel && !channel.deletedAt) return channel;
  throw new Problem('not_found', 'There is no such channel.');
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
