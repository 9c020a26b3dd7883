import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { NotificationEvent } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { type UrlState, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { oneLine } from '../../ui/json.tsx';
import { PageTurner, pageIn, pageSize } from '../../ui/lists.tsx';
import { Card, Empty, Fault, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';
import { Channels, type NamesOfChannels, namesOf, useChannels } from './channels.tsx';
import { DeliveryState, EventDialog } from './deliveries.tsx';
import { ownerOf, reachedBy } from './payload.ts';
import { Rules, useRules } from './rules.tsx';

const pollMs = 5_000;

/** What fired, and whether it was delivered; the rules that decide it, and the channels that receive it. */
export function Notifications() {
  const url = useUrlState();
  const page = pageIn(url);
  const [rule, channel] = [url.get('rule'), url.get('channel')];
  const [open, setOpen] = useState<string>();
  const events = useQuery({
    queryKey: ['notification events', page, rule, channel],
    queryFn: ({ signal }) => {
      const of = { ...(rule && { rule: [rule] }), ...(channel && { channel: [channel] }) };
      const query = { page, pageSize, orderBy: 'createdAt', order: 'DESC', ...of } as const;
      return dataOf(api.GET('/api/v1/notification/events', { params: { query }, signal }));
    },
    refetchInterval: pollMs,
    placeholderData: keepPreviousData,
  });
  const rules = useRules();
  const channels = useChannels();
  const names = namesOf(channels.data?.items);
  // All at once, so that nothing moves as the parts arrive.
  const isWaiting = events.isPending || rules.isPending || (may.admin.value && channels.isPending);
  const { data } = events;
  const opened = data?.items.find(({ id }) => id === open);
  return (
    <>
      <PageHead
        title="Notifications"
        about="What fired: thresholds that usage reached, and resets. Each event is delivered to the channels of its rule."
      />
      {events.error && <Fault error={events.error} retry={() => void events.refetch()} />}
      {isWaiting ? (
        <Card title="What fired" flush>
          <SkeletonRows rows={12} />
        </Card>
      ) : (
        <>
          {data && (
            <Card
              title="What fired"
              flush
              actions={<Narrowed url={url} names={names} />}
              footer={`${wholeNumber(data.totalCount)} in all`}
            >
              <Fired events={data.items} names={names} isNarrowed={!!(rule || channel)} onOpen={setOpen} />
            </Card>
          )}
          {data && <PageTurner url={url} totalCount={data.totalCount} before="Newer" next="Older" />}
          <Rules />
          {may.admin.value && <Channels />}
        </>
      )}
      {opened && <EventDialog event={opened} names={names} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function Fired(props: {
  events: NotificationEvent[];
  names: NamesOfChannels;
  isNarrowed: boolean;
  onOpen: (id: string) => void;
}) {
  const { events, names, onOpen } = props;
  if (events.length > 0) return <EventTable events={events} names={names} onOpen={({ id }) => onOpen(id)} />;
  return (
    <Empty icon="check" title={props.isNarrowed ? 'Nothing of this has fired yet' : 'Nothing has fired yet'}>
      A rule fires when the usage of an entitlement or of a meter reaches a threshold.
    </Empty>
  );
}

/** The rule or channel that the list is narrowed to; each can be removed. */
function Narrowed({ url, names }: { url: UrlState; names: NamesOfChannels }) {
  const rules = useRules().data?.items ?? [];
  const [rule, channel] = [url.get('rule'), url.get('channel')];
  const chips = [
    rule && { name: 'rule', text: rules.find(({ id }) => id === rule)?.name ?? rule },
    channel && { name: 'channel', text: names.get(channel) ?? channel },
  ].filter((chip) => !!chip);
  if (chips.length === 0) return null;
  return (
    <span class="row tight">
      {chips.map(({ name, text }) => (
        <span class="chip" key={name}>
          <span>
            {name} = {oneLine(text)}
          </span>
          <button
            type="button"
            aria-label={`Remove the filter on the ${name}`}
            onClick={() => url.set({ [name]: undefined, page: undefined })}
          >
            ×
          </button>
        </span>
      ))}
    </span>
  );
}

function EventTable(props: {
  events: NotificationEvent[];
  names: NamesOfChannels;
  onOpen: (event: NotificationEvent) => void;
}) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>When</th>
            <th>Rule</th>
            <th>Of</th>
            <th>Reached</th>
            <th>Deliveries</th>
            <th>
              <span class="visually-hidden">Details</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.events.map((event) => (
            <tr key={event.id}>
              <td class="nowrap">
                <Time at={event.createdAt} />
              </td>
              <td class="strong break">{oneLine(event.rule.name)}</td>
              <td class="break">{oneLine(ownerOf(event))}</td>
              <td class="soft nowrap">{reachedBy(event)}</td>
              <td>
                <span class="row tight">
                  {event.deliveryStatus.map((delivery) => (
                    <DeliveryState
                      key={delivery.channel.id}
                      delivery={delivery}
                      name={props.names.get(delivery.channel.id)}
                    />
                  ))}
                </span>
              </td>
              <td class="right">
                <button type="button" class="button small" onClick={() => props.onOpen(event)}>
                  Details
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
