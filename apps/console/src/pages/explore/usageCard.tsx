import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Meter } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import { Sparkline } from '../../chart/sparkline.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Skeleton } from '../../ui/parts.tsx';
import { type RangeName, rangeOf } from './range.ts';
import { exactOf, sumOfRows } from './usage.ts';

/** What somebody used of one meter, with its course over time; a link to Explore. */
export function UsageCard(props: {
  meter: Meter;
  /** Whose usage it is, as a query has it. */
  of: { subject: string[] } | { filterCustomerId: string[] };
  /** The subjects that Explore shows. */
  subjects: string[];
  rangeName: RangeName;
  color: string;
}) {
  const { meter, of, subjects, rangeName, color } = props;
  const window = rangeName === '12m' ? ('MONTH' as const) : ('DAY' as const);
  const range = rangeOf(rangeName, window, zone.value, Date.now(), {});
  const params = { path: { meterIdOrSlug: meter.slug } };
  const ask = (more: object, signal: AbortSignal) =>
    dataOf(
      api.POST('/api/v1/meters/{meterIdOrSlug}/query', {
        params,
        body: { ...range, ...of, ...more },
        signal,
      }),
    );
  const total = useQuery({
    queryKey: ['usage of', meter.slug, of, range],
    queryFn: ({ signal }) => ask({}, signal),
  });
  const course = useQuery({
    queryKey: ['course of', meter.slug, of, range, window],
    queryFn: ({ signal }) => ask({ windowSize: window, windowTimeZone: zone.value }, signal),
  });
  const row = total.data?.data[0];
  const by = window.toLowerCase();
  return (
    <Link
      class="card stat meter-card"
      href={linkTo('/explore', { meter: meter.slug, subject: subjects, range: rangeName })}
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
        {course.data && <Sparkline values={sumOfRows(course.data.data)} label={`${meter.slug} by ${by}`} />}
      </span>
    </Link>
  );
}
