import type { IngestedEvent } from '../../api/queries.ts';
import { clockTime, fullTime } from '../../app/format.ts';
import { oneLine } from '../../ui/json.tsx';
import { Badge } from '../../ui/parts.tsx';
import { EventDetail } from './eventDetail.tsx';

const snippetCharsMax = 200;
const snippets = new WeakMap<IngestedEvent, string>();

/** The beginning of the data on one line; made once an event, however long the data are. */
function snippetOf(item: IngestedEvent): string {
  let snippet = snippets.get(item);
  if (snippet === undefined) {
    snippet = oneLine((JSON.stringify(item.event.data) ?? '').slice(0, snippetCharsMax));
    snippets.set(item, snippet);
  }
  return snippet;
}

export function keyOf({ event }: IngestedEvent): string {
  return `${event.source} ${event.id}`;
}

export function EventRow({
  item,
  open,
  onToggle,
}: {
  item: IngestedEvent;
  open: boolean;
  onToggle: () => void;
}) {
  const { event } = item;
  return (
    <li>
      <button type="button" class="event-row" aria-expanded={open} onClick={onToggle}>
        <time
          class="mono small nowrap"
          dateTime={item.ingestedAt}
          title={`arrived ${fullTime(item.ingestedAt)}`}
        >
          {clockTime(item.ingestedAt)}
        </time>
        <span class="clip strong">{oneLine(event.type)}</span>
        <span class="clip">{oneLine(event.subject)}</span>
        <span class="clip mono small">{snippetOf(item)}</span>
        {stateOf(item)}
      </button>
      {open && <EventDetail item={item} />}
    </li>
  );
}

/** A voided event counts no more, whatever meters would make of it. */
function stateOf({ correction, validationError }: IngestedEvent) {
  if (correction) return <Badge kind="info">{correction.action === 'void' ? 'voided' : 'amended'}</Badge>;
  return validationError ? <Badge kind="warn">not counted</Badge> : <Badge kind="good">counted</Badge>;
}
