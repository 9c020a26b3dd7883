import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Meter } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Failure, Notice, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';
import { draftOf, emptyDraft, measured } from './draft.ts';
import { MeterForm } from './meterForm.tsx';
import { Preview } from './preview.tsx';

export function NewMeter() {
  const url = useUrlState();
  return (
    <>
      <PageHead title="Create a meter" about="It covers the events that are stored already, too." />
      <MeterForm first={emptyDraft(url.get('type'))} />
    </>
  );
}

function useMeter(slug: string) {
  return useQuery({
    queryKey: ['meter', slug],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/meters/{meterIdOrSlug}', { params: { path: { meterIdOrSlug: slug } }, signal }),
      ),
  });
}

export function EditMeter({ slug }: { slug: string }) {
  const meter = useMeter(slug);
  return (
    <>
      <PageHead title={`Change ${slug}`} />
      {meter.error ? (
        <Failure error={meter.error} />
      ) : meter.data ? (
        <MeterForm first={draftOf(meter.data)} meter={meter.data} />
      ) : (
        <SkeletonRows rows={6} />
      )}
    </>
  );
}

export function MeterPage({ slug }: { slug: string }) {
  const meter = useMeter(slug);
  const [isDeleting, setDeleting] = useState(false);
  return (
    <>
      <PageHead title={slug} about={meter.data?.description && oneLine(meter.data.description)}>
        <Link class="button primary" href={linkTo('/explore', { meter: slug })}>
          <Icon name="explore" /> Explore
        </Link>
        {may.admin.value && (
          <>
            <Link class="button" href={`/meters/${slug}/edit`}>
              <Icon name="edit" /> Change
            </Link>
            <button type="button" class="button danger" onClick={() => setDeleting(true)}>
              <Icon name="trash" /> Delete
            </button>
          </>
        )}
      </PageHead>
      {meter.error && <Failure error={meter.error} retry={() => void meter.refetch()} />}
      <Rebuild slug={slug} />
      {meter.data ? (
        <div class="split even">
          <Definition meter={meter.data} />
          <Preview draft={draftOf(meter.data)} />
        </div>
      ) : (
        !meter.error && <SkeletonRows rows={8} />
      )}
      {isDeleting && <Delete slug={slug} onClose={() => setDeleting(false)} />}
    </>
  );
}

function Definition({ meter }: { meter: Meter }) {
  return (
    <Card title="Definition">
      <dl class="details">
        <dt>Name</dt>
        <dd>{oneLine(meter.name ?? meter.slug)}</dd>
        <dt>Events</dt>
        <dd>
          of type <Link href={linkTo('/events', { type: meter.eventType })}>{oneLine(meter.eventType)}</Link>
          {meter.eventFrom && (
            <>
              {' '}
              from <Time at={meter.eventFrom} /> on
            </>
          )}
        </dd>
        <dt>Aggregation</dt>
        <dd>
          <Badge kind="accent">{meter.aggregation}</Badge>{' '}
          <span class="mono">{oneLine(measured(meter))}</span>
          {meter.timeUnit && ` × ${meter.timeUnit.toLowerCase()}s`}
        </dd>
        {meter.filters && (
          <>
            <dt>Filters</dt>
            <dd class="mono small">{oneLine(JSON.stringify(meter.filters))}</dd>
          </>
        )}
        <dt>Group by</dt>
        <dd class="stack tight">
          {Object.entries(meter.groupBy ?? {}).map(([name, path]) => (
            <span key={name}>
              <Badge>{name}</Badge> <span class="mono small">{oneLine(path)}</span>
            </span>
          ))}
          {Object.keys(meter.groupBy ?? {}).length === 0 && <span class="muted">subject alone</span>}
        </dd>
        <dt>Id</dt>
        <dd class="mono small">{meter.id}</dd>
        <dt>Created</dt>
        <dd>
          <Time at={meter.createdAt} />
        </dd>
        <dt>Changed</dt>
        <dd>
          <Time at={meter.updatedAt} />
        </dd>
      </dl>
    </Card>
  );
}

const rebuildPollMs = 1_000;

/** Shown while the rollups are made: after it was created, or regrouped. */
function Rebuild({ slug }: { slug: string }) {
  const rebuild = useQuery({
    queryKey: ['rebuild', slug],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/meters/{meterIdOrSlug}/rebuild', {
          params: { path: { meterIdOrSlug: slug } },
          signal,
        }),
      ),
    refetchInterval: (query) => (query.state.data?.done ? false : rebuildPollMs),
  });
  const progress = rebuild.data;
  if (!progress || progress.done) return null;
  const share = progress.eventsToRead === 0 ? 1 : progress.eventsRead / progress.eventsToRead;
  return (
    <Notice title="The meter is being built from the events stored before it">
      <span>
        {wholeNumber(progress.eventsRead)} of {wholeNumber(progress.eventsToRead)} events read. Answers are
        exact meanwhile; they take longer.
      </span>
      <div
        class="progress"
        role="progressbar"
        aria-valuenow={Math.round(share * 100)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-label="Events read"
      >
        <i style={{ width: `${share * 100}%` }} />
      </div>
    </Notice>
  );
}

function Delete({ slug, onClose }: { slug: string; onClose: () => void }) {
  const [, navigate] = useLocation();
  const params = { path: { meterIdOrSlug: slug } };
  return (
    <ConfirmDialog
      title={`Delete ${slug}?`}
      action="Delete the meter"
      done={`${slug} is deleted. Its events are kept.`}
      stale={['meters']}
      onClose={onClose}
      run={() => api.DELETE('/api/v1/meters/{meterIdOrSlug}', { params })}
      leave={() => navigate('/meters')}
    >
      <p>
        Queries of this meter fail from now on. The events stay, so that a new meter can measure them again.
      </p>
    </ConfirmDialog>
  );
}
