import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { IngestedEvent } from '../../api/queries.ts';
import { rate, wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { Icon } from '../../ui/icons.tsx';
import { MoreButton, pageSize, useChunks } from '../../ui/lists.tsx';
import { Badge, Card, Empty, Failure, PageHead, Segmented, SkeletonRows } from '../../ui/parts.tsx';
import { EventRow, keyOf } from './eventRow.tsx';
import { apiFilter, type EventFilter, FilterBar, filterIn } from './filters.tsx';
import { useTail } from './tail.ts';

const modes = [
  { value: 'live', label: 'Live', icon: 'play' },
  { value: 'search', label: 'Search', icon: 'search' },
] as const;

export function Events() {
  const url = useUrlState();
  const filter = filterIn(url);
  const mode = url.get('mode') === 'live' ? 'live' : 'search';
  return (
    <>
      <PageHead
        title="Events"
        about="What came in, newest first by arrival. Open one for its JSON and for what each meter made of it."
      >
        <Segmented
          label="Mode"
          options={modes}
          value={mode}
          onChange={(value) => url.set({ mode: value === 'live' ? 'live' : undefined })}
        />
        {may.ingest.value && (
          <Link class="button" href="/send">
            <Icon name="send" /> Send an event
          </Link>
        )}
      </PageHead>
      <Card flush>
        <FilterBar key={JSON.stringify(filter)} filter={filter} onChange={(changes) => url.set(changes)} />
        {mode === 'live' ? <Live filter={filter} /> : <Search filter={filter} />}
      </Card>
    </>
  );
}

function Live({ filter }: { filter: EventFilter }) {
  const [isOn, setOn] = useState(true);
  const tail = useTail(apiFilter(filter), isOn);
  const events = tail.events.filter((item) => passes(item, filter));
  return (
    <>
      <div class="row" style={{ padding: '10px 16px' }}>
        <button type="button" class="button small" onClick={() => setOn(!isOn)}>
          <Icon name={isOn ? 'pause' : 'play'} /> {isOn ? 'Pause' : 'Resume'}
        </button>
        <Badge kind={isOn ? 'good' : 'warn'}>
          <i class={`dot ${isOn ? 'live' : ''}`} /> {isOn ? 'live' : 'paused'}
        </Badge>
        <span class="muted small" role="status" data-testid="tail-rate">
          {tail.perSecond !== undefined && `${rate(tail.perSecond, 1)} events/s stored`}
          {tail.error && events.length > 0 && ' (the last request failed; it is repeated)'}
          {tail.isSampled && '; more arrive than can be shown: this is a sample, 100 of each second'}
        </span>
      </div>
      <List
        events={events}
        isPending={tail.isPending}
        error={events.length === 0 ? tail.error : null}
        empty="No event yet. The next one appears here by itself."
        onOpen={() => setOn(false)}
      />
    </>
  );
}

function Search({ filter }: { filter: EventFilter }) {
  const text = apiFilter(filter);
  const pages = useChunks(['events', text], async (cursor, signal) => {
    const query = { limit: pageSize, ...(text && { filter: text }), ...(cursor && { cursor }) };
    const { items, nextCursor } = await dataOf(api.GET('/api/v2/events', { params: { query }, signal }));
    return { items, next: nextCursor };
  });
  const all = pages.items;
  const events = all.filter((item) => passes(item, filter));
  return (
    <>
      <List
        events={events}
        isPending={pages.isPending}
        error={pages.error}
        retry={() => void pages.refetch()}
        empty={
          all.length > 0
            ? `None of the newest ${wholeNumber(all.length)} events is of this kind.`
            : text
              ? 'No event passes these filters.'
              : 'No events yet. Live shows the first one when it arrives.'
        }
      />
      {pages.data && (
        <div class="row between" style={{ padding: '12px 16px' }}>
          <span class="muted small">
            {wholeNumber(events.length)} shown
            {filter.show !== 'all' && `, of ${wholeNumber(all.length)} looked at`}
          </span>
          {pages.hasNextPage ? (
            <MoreButton list={pages} label="Show older events" small />
          ) : (
            <span class="muted small">There are no older ones.</span>
          )}
        </div>
      )}
    </>
  );
}

function passes({ validationError }: IngestedEvent, { show }: EventFilter): boolean {
  return show === 'all' || (show === 'invalid') === (validationError !== undefined);
}

function List(props: {
  events: IngestedEvent[];
  isPending: boolean;
  error: Error | null;
  retry?: () => void;
  empty: string;
  /** An event was opened. */
  onOpen?: () => void;
}) {
  const [open, setOpen] = useState<string>();
  const toggle = (key: string) => {
    setOpen(open === key ? undefined : key);
    if (open !== key) props.onOpen?.();
  };
  if (props.error) {
    return (
      <div style={{ padding: '16px' }}>
        <Failure error={props.error} retry={props.retry} />
      </div>
    );
  }
  if (props.isPending) return <SkeletonRows rows={10} height={22} />;
  if (props.events.length === 0) return <Empty icon="events" title={props.empty} />;
  return (
    <>
      <div class="event-head" aria-hidden="true">
        <span>Arrived</span>
        <span>Type</span>
        <span>Subject</span>
        <span>Data</span>
        <span>Meters</span>
      </div>
      <ul class="event-list" aria-label="Events, newest first">
        {props.events.map((item) => {
          const key = keyOf(item);
          return <EventRow key={key} item={item} open={open === key} onToggle={() => toggle(key)} />;
        })}
      </ul>
    </>
  );
}
