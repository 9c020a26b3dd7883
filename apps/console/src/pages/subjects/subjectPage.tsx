import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { ApiError, api, dataOf } from '../../api/client.ts';
import { type Meter, useMeters } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import { seriesColor } from '../../chart/colors.ts';
import { Sparkline } from '../../chart/sparkline.tsx';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Fault, PageHead, Segmented, Skeleton, SkeletonRows } from '../../ui/parts.tsx';
import { type RangeName, rangeOf } from '../explore/range.ts';
import { exactOf, sumOfRows } from '../explore/usage.ts';

const ranges = [
  { value: '7d', label: '7 days' },
  { value: '30d', label: '30 days' },
  { value: '12m', label: '12 months' },
] as const;

/** One subject over all meters: what it used, each with its course. */
export function SubjectPage() {
  const url = useUrlState();
  const subject = url.get('key') ?? '';
  const range = ranges.find(({ value }) => value === url.get('range'))?.value ?? '30d';
  const meters = useMeters();
  const details = useQuery({
    queryKey: ['subject', subject],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/subjects/{subjectIdOrKey}', {
          params: { path: { subjectIdOrKey: subject } },
          signal,
        }),
      ).catch(unnamed),
  });
  const name = details.data?.displayName;
  return (
    <>
      <PageHead
        title={oneLine(name ?? subject)}
        about={name ? `Subject ${oneLine(subject)}` : 'What this subject used, over all meters.'}
      >
        <Segmented
          label="Range"
          options={ranges}
          value={range}
          onChange={(value) => url.set({ range: value })}
        />
        <Link class="button" href={linkTo('/events', { subject })}>
          <Icon name="events" /> Its events
        </Link>
      </PageHead>
      {meters.error && <Fault error={meters.error} retry={() => void meters.refetch()} />}
      {!meters.data ? (
        !meters.error && <SkeletonRows rows={5} height={60} />
      ) : meters.data.length === 0 ? (
        <Empty icon="meters" title="No meters yet">
          Usage is what a meter measures.
        </Empty>
      ) : (
        <div class="grid-3">
          {meters.data.map((meter, at) => (
            <MeterUsage
              key={meter.slug}
              meter={meter}
              subject={subject}
              rangeName={range}
              color={seriesColor(at)}
            />
          ))}
        </div>
      )}
      {details.data?.metadata && (
        <Card title="Metadata">
          <JsonView value={details.data.metadata} label="Metadata of the subject" />
        </Card>
      )}
    </>
  );
}

/** Most subjects are named by events alone. */
function unnamed(error: unknown) {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}

function MeterUsage({
  meter,
  subject,
  rangeName,
  color,
}: {
  meter: Meter;
  subject: string;
  rangeName: RangeName;
  color: string;
}) {
  const window = rangeName === '12m' ? ('MONTH' as const) : ('DAY' as const);
  const range = rangeOf(rangeName, window, zone.value, Date.now(), {});
  const params = { path: { meterIdOrSlug: meter.slug } };
  const total = useQuery({
    queryKey: ['subject usage', meter.slug, subject, range],
    queryFn: ({ signal }) =>
      dataOf(
        api.POST('/api/v1/meters/{meterIdOrSlug}/query', {
          params,
          body: { ...range, subject: [subject] },
          signal,
        }),
      ),
  });
  const course = useQuery({
    queryKey: ['subject course', meter.slug, subject, range, window],
    queryFn: ({ signal }) => {
      const body = { ...range, subject: [subject], windowSize: window, windowTimeZone: zone.value };
      return dataOf(api.POST('/api/v1/meters/{meterIdOrSlug}/query', { params, body, signal }));
    },
  });
  const row = total.data?.data[0];
  const values = sumOfRows(course.data?.data ?? []);
  return (
    <Link
      class="card stat meter-card"
      href={linkTo('/explore', { meter: meter.slug, subject, range: rangeName })}
    >
      <span class="label">
        <i class="swatch" style={{ background: color }} />
        <span class="clip">{oneLine(meter.name ?? meter.slug)}</span>
        <Badge>{meter.aggregation}</Badge>
      </span>
      <span class="value number clip">
        {total.error ? (
          '–'
        ) : !total.data ? (
          <Skeleton height={24} width="60%" />
        ) : row ? (
          exactNumber(exactOf(row)!)
        ) : (
          '0'
        )}
      </span>
      <span style={{ minHeight: '30px' }}>
        {course.data && <Sparkline values={values} label={`${meter.slug} by ${window.toLowerCase()}`} />}
      </span>
    </Link>
  );
}
