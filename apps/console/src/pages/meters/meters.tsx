import { useQuery } from '@tanstack/preact-query';
import { hourMs } from '@usage/lib/windows/units.ts';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import { type Meter, useMeters } from '../../api/queries.ts';
import { exactNumber, shortNumber } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { zone } from '../../app/settings.ts';
import { Sparkline } from '../../chart/sparkline.tsx';
import { TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Failure, PageHead, Skeleton, SkeletonRows } from '../../ui/parts.tsx';

import { measured } from './draft.ts';

const shownMax = 200;

export function Meters() {
  const url = useUrlState();
  const meters = useMeters();
  const wanted = (url.get('find') ?? '').toLowerCase();
  const found = (meters.data ?? []).filter(({ slug, name, eventType }) =>
    `${slug} ${name} ${eventType}`.toLowerCase().includes(wanted),
  );
  return (
    <>
      <PageHead
        title="Meters"
        about="What is measured of events: a type, a value in their data, and what it can be grouped by."
      >
        {may.admin.value && (
          <Link class="button primary" href="/meters/new">
            <Icon name="plus" /> Create a meter
          </Link>
        )}
      </PageHead>
      {meters.error && <Failure error={meters.error} retry={() => void meters.refetch()} />}
      <Card flush>
        {(meters.data?.length ?? 0) > 8 && (
          <div class="filters">
            <TextField
              label="Find a meter"
              hideLabel
              placeholder="Find a meter"
              value={url.get('find') ?? ''}
              onValue={(find) => url.set({ find }, { replace: true })}
            />
          </div>
        )}
        {meters.isPending ? (
          <SkeletonRows rows={6} height={30} />
        ) : found.length > 0 ? (
          <MeterTable meters={found.slice(0, shownMax)} />
        ) : (
          meters.data && (
            <Empty
              icon="meters"
              title={wanted ? 'No meter of this name' : 'No meters yet'}
              actions={
                !wanted &&
                may.admin.value && (
                  <Link class="button primary" href="/meters/new">
                    Create a meter
                  </Link>
                )
              }
            >
              {wanted
                ? 'Look for part of its slug, name or event type.'
                : 'Events are kept meanwhile: a meter covers those that were stored before it.'}
            </Empty>
          )
        )}
      </Card>
    </>
  );
}

function MeterTable({ meters }: { meters: Meter[] }) {
  const [, navigate] = useLocation();
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Meter</th>
            <th>Measures</th>
            <th>Grouped by</th>
            <th>Last 24 hours, by hour</th>
            <th class="right">In 24 hours</th>
          </tr>
        </thead>
        <tbody>
          {meters.map((meter) => (
            <tr
              key={meter.slug}
              class="clickable"
              onClick={(event) => {
                if (!(event.target as Element).closest('a')) navigate(`/meters/${meter.slug}`);
              }}
            >
              <td>
                <div class="stack" style={{ gap: 0 }}>
                  <Link class="strong" href={`/meters/${meter.slug}`}>
                    {meter.slug}
                  </Link>
                  {meter.name && meter.name !== meter.slug && (
                    <span class="small muted break">{oneLine(meter.name)}</span>
                  )}
                </div>
              </td>
              <td>
                <Badge kind="accent">{meter.aggregation}</Badge>{' '}
                <span class="mono small">{oneLine(measured(meter))}</span>{' '}
                <span class="soft">of {oneLine(meter.eventType)}</span>
              </td>
              <td>
                <span class="row tight">
                  {Object.keys(meter.groupBy ?? {}).map((name) => (
                    <Badge key={name}>{name}</Badge>
                  ))}
                </span>
              </td>
              <RecentUsage meter={meter} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Asked for once the row is in view. */
function RecentUsage({ meter }: { meter: Meter }) {
  const cell = useRef<HTMLTableCellElement>(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const watching = new IntersectionObserver(([entry]) => entry?.isIntersecting && setSeen(true), {
      rootMargin: '200px',
    });
    watching.observe(cell.current!);
    return () => watching.disconnect();
  }, []);
  const toMs = Math.ceil(Date.now() / hourMs) * hourMs;
  const from = new Date(toMs - 24 * hourMs).toISOString();
  const path = { path: { meterIdOrSlug: meter.slug } };
  const hours = useQuery({
    queryKey: ['recent', meter.slug, from],
    enabled: isSeen,
    queryFn: ({ signal }) =>
      dataOf(
        api.POST('/api/v1/meters/{meterIdOrSlug}/query', {
          params: path,
          body: { from, windowSize: 'HOUR' },
          signal,
        }),
      ),
  });
  const total = useQuery({
    queryKey: ['recent total', meter.slug, from],
    enabled: isSeen,
    queryFn: ({ signal }) =>
      dataOf(api.POST('/api/v1/meters/{meterIdOrSlug}/query', { params: path, body: { from }, signal })),
  });
  const byHour = new Map(hours.data?.data.map((row) => [Date.parse(row.windowStart), row.value]));
  const values = Array.from({ length: 24 }, (_, n) => byHour.get(toMs - (24 - n) * hourMs) ?? 0);
  const row = total.data?.data[0];
  return (
    <>
      <td ref={cell}>
        <Link
          href={linkTo('/explore', { meter: meter.slug, range: '24h', window: 'HOUR' })}
          aria-label={`Explore ${meter.slug}`}
        >
          {!hours.data ? (
            <Skeleton height={30} width="120px" />
          ) : hours.data.data.length === 0 ? (
            <span class="muted small">no usage</span>
          ) : (
            <Sparkline
              values={values}
              label={`${meter.slug}, the last 24 hours by hour in ${zone.value}; at most ${shortNumber(Math.max(...values))}`}
            />
          )}
        </Link>
      </td>
      <td class="right number strong">
        {row ? exactNumber(row.valueExact ?? String(row.value)) : total.data ? '–' : ''}
      </td>
    </>
  );
}
