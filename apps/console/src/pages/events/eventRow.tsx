import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Evaluation, IngestedEvent } from '../../api/queries.ts';
import { clockTime, exactNumber, fullTime } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Badge, Fault, SkeletonRows } from '../../ui/parts.tsx';

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
  if (correction)
    return <Badge kind="info">{correction.action === 'void' ? 'voided' : correction.action}</Badge>;
  return validationError ? <Badge kind="warn">not counted</Badge> : <Badge kind="good">counted</Badge>;
}

function EventDetail({ item }: { item: IngestedEvent }) {
  const { event } = item;
  return (
    <div class="event-detail">
      <JsonView value={event} label="The event as JSON" />
      <div class="stack">
        <dl class="details">
          <dt>Happened</dt>
          <dd>{fullTime(event.time)}</dd>
          <dt>Arrived</dt>
          <dd>{fullTime(item.ingestedAt)}</dd>
          <dt>Stored</dt>
          <dd>{fullTime(item.storedAt)}</dd>
          {item.correction && (
            <>
              <dt>Corrected</dt>
              <dd>
                <Badge kind="info">{item.correction.action}</Badge> {fullTime(item.correction.correctedAt)}:{' '}
                {oneLine(item.correction.reason)}
              </dd>
            </>
          )}
          <dt>Subject</dt>
          <dd>
            <Link href={linkTo('/subject', { key: event.subject })}>{oneLine(event.subject)}</Link>
          </dd>
          <dt>Source</dt>
          <dd>{oneLine(event.source)}</dd>
          <dt>Id</dt>
          <dd class="mono">{oneLine(event.id)}</dd>
        </dl>
        <Counted item={item} />
      </div>
    </div>
  );
}

/** Which meters counted it, with which value and in which group, or why not. */
function Counted({ item: { event } }: { item: IngestedEvent }) {
  const { source, id } = event;
  const evaluation = useQuery({
    queryKey: ['evaluation', source, id],
    queryFn: ({ signal }) =>
      dataOf(api.POST('/api/v1/meters/evaluate', { body: { event: { source, id } }, signal })),
  });
  if (evaluation.error) return <Fault error={evaluation.error} />;
  if (!evaluation.data) return <SkeletonRows rows={2} />;
  const meters = evaluation.data.items[0]?.meters ?? [];
  if (meters.length === 0) {
    return (
      <p class="soft">
        No meter measures events of this type.{' '}
        <Link href={linkTo('/meters/new', { type: event.type })}>Create one</Link>: it covers the events
        stored before it.
      </p>
    );
  }
  return (
    <div class="stack tight">
      <h3>Meters</h3>
      <ul class="stack tight" data-testid="counted-by">
        {meters.map((one) => (
          <Outcome key={one.slug} outcome={one} subject={event.subject} />
        ))}
      </ul>
    </div>
  );
}

type Outcome = Evaluation['items'][number]['meters'][number];

function Outcome({ outcome, subject }: { outcome: Outcome; subject: string }) {
  const { slug, aggregation, counted, value = '', groupBy = {}, reason } = outcome;
  return (
    <li class="row tight" style={{ alignItems: 'baseline' }}>
      <Link class="strong" href={linkTo('/explore', { meter: slug, subject })}>
        {slug}
      </Link>
      {counted ? (
        <>
          <span class="muted small">{aggregation}</span>
          <span class="number strong">
            {aggregation === 'UNIQUE_COUNT' ? oneLine(value) : exactNumber(value)}
          </span>
          {Object.entries(groupBy).map(([name, group]) => (
            <Badge key={name}>
              {name} = {oneLine(group) || '(none)'}
            </Badge>
          ))}
        </>
      ) : (
        <span class="soft small break">
          <Badge kind="warn">not counted</Badge> {oneLine(reason ?? '')}
        </span>
      )}
    </li>
  );
}
