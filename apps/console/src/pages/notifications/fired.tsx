import { useState } from 'preact/hooks';
import type { NotificationEvent } from '../../api/queries.ts';
import { oneLine } from '../../ui/json.tsx';
import { Empty, Time } from '../../ui/parts.tsx';
import type { NamesOfChannels } from './channels.tsx';
import { DeliveryState, EventDialog } from './deliveries.tsx';
import { ownerOf, reachedBy } from './payload.ts';

/** What fired, each with its deliveries; one is opened for its attempts and payload. */
export function Fired(props: { events: NotificationEvent[]; names: NamesOfChannels; isNarrowed: boolean }) {
  const { events, names } = props;
  const [open, setOpen] = useState<string>();
  const opened = events.find(({ id }) => id === open);
  if (events.length === 0)
    return (
      <Empty
        icon="check"
        title={props.isNarrowed ? 'Nothing of this has fired yet' : 'Nothing has fired yet'}
      >
        A rule fires when the usage of an entitlement or of a meter reaches a threshold.
      </Empty>
    );
  return (
    <>
      <EventTable events={events} names={names} onOpen={({ id }) => setOpen(id)} />
      {opened && <EventDialog event={opened} names={names} onClose={() => setOpen(undefined)} />}
    </>
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
