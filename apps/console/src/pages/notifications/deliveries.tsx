import { useQueryClient } from '@tanstack/preact-query';
import { api } from '../../api/client.ts';
import type { NotificationEvent } from '../../api/queries.ts';
import { may } from '../../app/session.ts';
import { Dialog } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Badge, Time, toast } from '../../ui/parts.tsx';
import type { NamesOfChannels } from './channels.tsx';

type Delivery = NotificationEvent['deliveryStatus'][number];

const stateNames: Readonly<Record<string, string>> = {
  SUCCESS: 'delivered',
  FAILED: 'failed',
  SENDING: 'sending',
  PENDING: 'waiting',
  RESENDING: 'sending again',
};

/** How a delivery stands: one that has failed and has a next attempt says so. */
export function DeliveryState({ delivery, name }: { delivery: Delivery; name: string | undefined }) {
  const { state, attempts, nextAttempt } = delivery;
  const isRetried = attempts.length > 0 && nextAttempt !== undefined;
  const kind = state === 'SUCCESS' ? 'good' : state === 'FAILED' ? 'bad' : 'warn';
  return (
    <Badge kind={kind}>
      {name !== undefined && `${oneLine(name)}: `}
      {kind === 'warn' && isRetried ? 'failed, retried later' : (stateNames[state] ?? state.toLowerCase())}
    </Badge>
  );
}

/** What fired: each of its deliveries with the attempts so far, and what is sent. */
export function EventDialog(props: {
  event: NotificationEvent;
  names: NamesOfChannels;
  onClose: () => void;
}) {
  const { event, names, onClose } = props;
  const client = useQueryClient();
  const resend = async () => {
    try {
      await api.POST('/api/v1/notification/events/{eventId}/resend', {
        params: { path: { eventId: event.id } },
        body: {},
      });
      await client.invalidateQueries({ queryKey: ['notification events'] });
      toast('It is being sent again.');
      onClose();
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  return (
    <Dialog title={event.rule.name} wide onClose={onClose}>
      <div class="body">
        <h3>Deliveries</h3>
        {event.deliveryStatus.length === 0 && <p class="soft">The rule had no channel that was open.</p>}
        {event.deliveryStatus.map((delivery) => (
          <div key={delivery.channel.id} class="stack tight">
            <div class="row tight">
              <DeliveryState delivery={delivery} name={names.get(delivery.channel.id)} />
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
