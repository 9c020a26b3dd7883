import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { NotificationEvent } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { Dialog } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Fault, PageHead, SkeletonRows, Time, toast } from '../../ui/parts.tsx';
import { Channels } from './channels.tsx';

const pageSize = 50;
const pollMs = 5_000;

/** What fired, and whether it was delivered. */
export function Notifications() {
  const url = useUrlState();
  const page = Math.max(1, Number(url.get('page')) || 1);
  const [open, setOpen] = useState<NotificationEvent>();
  const events = useQuery({
    queryKey: ['notification events', page],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/notification/events', {
          params: { query: { page, pageSize, orderBy: 'createdAt', order: 'DESC' } },
          signal,
        }),
      ),
    refetchInterval: pollMs,
    placeholderData: keepPreviousData,
  });
  const { data } = events;
  return (
    <>
      <PageHead
        title="Notifications"
        about="Thresholds that were reached and resets, each with its deliveries to webhooks."
      />
      {events.error && <Fault error={events.error} retry={() => void events.refetch()} />}
      <Card title="What fired" flush footer={data && `${wholeNumber(data.totalCount)} in all`}>
        {!data ? (
          !events.error && <SkeletonRows rows={5} />
        ) : data.items.length === 0 ? (
          <Empty icon="check" title="Nothing has fired yet">
            Rules (<code>POST /api/v1/notification/rules</code>) say which thresholds of entitlements and
            meters are told to which channels.
          </Empty>
        ) : (
          <EventTable events={data.items} onOpen={setOpen} />
        )}
      </Card>
      {data && data.totalCount > pageSize && (
        <div class="row">
          <button
            type="button"
            class="button"
            disabled={page === 1}
            onClick={() => url.set({ page: String(page - 1) })}
          >
            Newer
          </button>
          <span class="muted">page {page}</span>
          <button
            type="button"
            class="button"
            disabled={page * pageSize >= data.totalCount}
            onClick={() => url.set({ page: String(page + 1) })}
          >
            Older
          </button>
        </div>
      )}
      {may.admin.value && <Channels />}
      {open && <EventDialog event={open} onClose={() => setOpen(undefined)} />}
    </>
  );
}

function EventTable({
  events,
  onOpen,
}: {
  events: NotificationEvent[];
  onOpen: (event: NotificationEvent) => void;
}) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>When</th>
            <th>Rule</th>
            <th>Kind</th>
            <th>Deliveries</th>
            <th>
              <span class="visually-hidden">Details</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.id}>
              <td class="nowrap">
                <Time at={event.createdAt} />
              </td>
              <td class="strong break">{oneLine(event.rule.name)}</td>
              <td class="soft">{event.type}</td>
              <td>
                <span class="row tight">
                  {event.deliveryStatus.map(({ channel, state }) => (
                    <Badge key={channel.id} kind={kindOf(state)}>
                      {state.toLowerCase()}
                    </Badge>
                  ))}
                </span>
              </td>
              <td class="right">
                <button type="button" class="button small" onClick={() => onOpen(event)}>
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

function kindOf(state: string): 'good' | 'bad' | 'warn' {
  if (state === 'SUCCESS') return 'good';
  return state === 'FAILED' ? 'bad' : 'warn';
}

function EventDialog({ event, onClose }: { event: NotificationEvent; onClose: () => void }) {
  const client = useQueryClient();
  const resend = async () => {
    try {
      await api.POST('/api/v1/notification/events/{eventId}/resend', {
        params: { path: { eventId: event.id } },
        body: {},
      });
      await client.invalidateQueries({ queryKey: ['notification events'] });
      toast('It is sent again.');
      onClose();
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  return (
    <Dialog title={event.rule.name} wide onClose={onClose}>
      <div class="body">
        <h3>Deliveries</h3>
        {event.deliveryStatus.map((delivery) => (
          <div key={delivery.channel.id} class="stack tight">
            <div class="row tight">
              <Badge kind={kindOf(delivery.state)}>{delivery.state.toLowerCase()}</Badge>
              <span class="break">{oneLine(delivery.reason)}</span>
              <span class="muted small">
                <Time at={delivery.updatedAt} />
              </span>
              {delivery.nextAttempt && (
                <span class="muted small">
                  next attempt <Time at={delivery.nextAttempt} />
                </span>
              )}
            </div>
            {delivery.attempts.length > 0 && (
              <JsonView value={delivery.attempts} label="Attempts of this delivery" />
            )}
          </div>
        ))}
        <h3>Payload</h3>
        <JsonView value={event.payload} label="Payload of the notification" />
      </div>
      {may.admin.value && (
        <footer>
          <button type="button" class="button" onClick={() => void resend()}>
            <Icon name="refresh" /> Send again
          </button>
        </footer>
      )}
    </Dialog>
  );
}
