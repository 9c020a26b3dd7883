import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Channel } from '../../api/queries.ts';
import { linkTo } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Failure, SkeletonRows } from '../../ui/parts.tsx';
import { ChannelForm } from './channelForm.tsx';

const shownMax = 1_000;

/** Disabled ones too: they are the ones that want looking at. Only admins see channels, for their secrets. */
export function useChannels() {
  return useQuery({
    queryKey: ['channels'],
    enabled: may.admin.value,
    queryFn: ({ signal }) => {
      const query = { pageSize: shownMax, includeDisabled: true };
      return dataOf(api.GET('/api/v1/notification/channels', { params: { query }, signal }));
    },
  });
}

export type NamesOfChannels = ReadonlyMap<string, string>;

export function namesOf(channels: readonly Channel[] | undefined): NamesOfChannels {
  return new Map((channels ?? []).map(({ id, name }) => [id, name]));
}

/** Where notifications are sent. */
export function Channels() {
  const channels = useChannels();
  const [editing, setEditing] = useState<Channel | 'new'>();
  const [deleting, setDeleting] = useState<Channel>();
  if (channels.error) return <Failure error={channels.error} retry={() => void channels.refetch()} />;
  return (
    <Card
      title="Channels"
      flush
      actions={
        <button type="button" class="button small" onClick={() => setEditing('new')}>
          <Icon name="plus" /> Create a channel
        </button>
      }
    >
      {!channels.data ? (
        <SkeletonRows rows={2} />
      ) : channels.data.items.length === 0 ? (
        <Empty icon="bell" title="No channels yet">
          A channel is a URL of yours that receives signed webhooks.
        </Empty>
      ) : (
        <ChannelTable channels={channels.data.items} onEdit={setEditing} onDelete={setDeleting} />
      )}
      {editing && (
        <ChannelForm
          channel={editing === 'new' ? undefined : editing}
          onClose={() => setEditing(undefined)}
        />
      )}
      {deleting && <DeleteChannel channel={deleting} onClose={() => setDeleting(undefined)} />}
    </Card>
  );
}

function ChannelTable(props: {
  channels: Channel[];
  onEdit: (channel: Channel) => void;
  onDelete: (channel: Channel) => void;
}) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>URL</th>
            <th>State</th>
            <th>
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.channels.map((channel) => (
            <tr key={channel.id}>
              <td class="strong break">{oneLine(channel.name)}</td>
              <td class="mono small break">{oneLine(channel.url)}</td>
              <td>
                {channel.disabled ? <Badge kind="bad">disabled</Badge> : <Badge kind="good">enabled</Badge>}
              </td>
              <td class="right">
                <span class="row tight end nowrap">
                  <Link class="button small" href={linkTo('/notifications', { channel: channel.id })}>
                    Deliveries
                  </Link>
                  <button type="button" class="button small" onClick={() => props.onEdit(channel)}>
                    Edit
                  </button>
                  <button type="button" class="button small danger" onClick={() => props.onDelete(channel)}>
                    Delete
                  </button>
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DeleteChannel({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const params = { path: { channelId: channel.id } };
  return (
    <ConfirmDialog
      title={`Delete the channel ${oneLine(channel.name)}?`}
      action="Delete the channel"
      done={`${channel.name} is deleted.`}
      onClose={onClose}
      run={() => api.DELETE('/api/v1/notification/channels/{channelId}', { params })}
    >
      <p>Nothing is sent to it from now on. Rules that name it send to their other channels.</p>
    </ConfirmDialog>
  );
}
