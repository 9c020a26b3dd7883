import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Evaluation, IngestedEvent } from '../../api/queries.ts';
import { exactNumber, fullTime } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Badge, Failure, SkeletonRows } from '../../ui/parts.tsx';
import { EventCorrections } from './eventCorrections.tsx';

/** An event with its times, what each meter made of it, and how it was corrected. */
export function EventDetail({ item }: { item: IngestedEvent }) {
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
        <EventCorrections item={item} />
      </div>
    </div>
  );
}

/** Which meters counted it, with which value and in which group, or why not. */
function Counted({ item: { event, correction } }: { item: IngestedEvent }) {
  const { source, id } = event;
  const evaluation = useQuery({
    queryKey: ['evaluation', source, id, correction?.id],
    queryFn: ({ signal }) =>
      dataOf(api.POST('/api/v1/meters/evaluate', { body: { event: { source, id } }, signal })),
  });
  if (evaluation.error) return <Failure error={evaluation.error} />;
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
