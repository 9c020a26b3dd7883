import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import { type Meter, useMeters } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import { seriesColor } from '../../chart/colors.ts';
import { Sparkline } from '../../chart/sparkline.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Fault, PageHead, Skeleton, SkeletonRows, Time } from '../../ui/parts.tsx';
import { rangeOf } from '../explore/range.ts';
import { exactOf, sumOfRows } from '../explore/usage.ts';
import { Entitlements } from './entitlements.tsx';

/** One customer: its subjects, what it used in the last 30 days, and what it may use. */
export function CustomerPage({ id }: { id: string }) {
  const customer = useQuery({
    queryKey: ['customer', id],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/customers/{customerIdOrKey}', { params: { path: { customerIdOrKey: id } }, signal }),
      ),
  });
  const meters = useMeters();
  const { data } = customer;
  const subjects = data?.usageAttribution?.subjectKeys ?? [];
  return (
    <>
      <PageHead
        title={data ? oneLine(data.name) : 'Customer'}
        about={data?.description && oneLine(data.description)}
      />
      {customer.error && <Fault error={customer.error} retry={() => void customer.refetch()} />}
      {data ? (
        <>
          <Card title="Subjects">
            {subjects.length === 0 ? (
              <p class="muted">None: nothing is counted for it yet.</p>
            ) : (
              <div class="row tight">
                {subjects.map((subject) => (
                  <Link
                    class="chip"
                    key={subject}
                    href={linkTo('/subject', { key: subject })}
                    style={{ paddingRight: '10px' }}
                  >
                    <span>{oneLine(subject)}</span>
                  </Link>
                ))}
              </div>
            )}
          </Card>
          <Entitlements customerId={data.id} />
          <h2>The last 30 days</h2>
          {meters.data?.length === 0 && (
            <Empty icon="meters" title="No meters yet">
              Usage is what a meter measures.
            </Empty>
          )}
          <div class="grid-3">
            {(meters.data ?? []).map((meter, at) => (
              <CustomerUsage
                key={meter.slug}
                meter={meter}
                customerId={data.id}
                subjects={subjects}
                color={seriesColor(at)}
              />
            ))}
          </div>
          <Card title="About it">
            <dl class="details">
              <dt>Id</dt>
              <dd class="mono small">{data.id}</dd>
              <dt>Key</dt>
              <dd class="mono small">{oneLine(data.key ?? '–')}</dd>
              <dt>E-mail</dt>
              <dd>{oneLine(data.primaryEmail ?? '–')}</dd>
              <dt>Created</dt>
              <dd>
                <Time at={data.createdAt} />
              </dd>
              <dt>Changed</dt>
              <dd>
                <Time at={data.updatedAt} />
              </dd>
            </dl>
          </Card>
        </>
      ) : (
        !customer.error && <SkeletonRows rows={8} />
      )}
    </>
  );
}

function CustomerUsage(props: { meter: Meter; customerId: string; subjects: string[]; color: string }) {
  const { meter, customerId, subjects, color } = props;
  const range = rangeOf('30d', 'DAY', zone.value, Date.now(), {});
  const params = { path: { meterIdOrSlug: meter.slug } };
  const of = { ...range, filterCustomerId: [customerId] };
  const total = useQuery({
    queryKey: ['customer usage', meter.slug, customerId, range],
    queryFn: ({ signal }) =>
      dataOf(api.POST('/api/v1/meters/{meterIdOrSlug}/query', { params, body: of, signal })),
  });
  const course = useQuery({
    queryKey: ['customer course', meter.slug, customerId, range],
    queryFn: ({ signal }) => {
      const body = { ...of, windowSize: 'DAY' as const, windowTimeZone: zone.value };
      return dataOf(api.POST('/api/v1/meters/{meterIdOrSlug}/query', { params, body, signal }));
    },
  });
  const row = total.data?.data[0];
  return (
    <Link
      class="card stat meter-card"
      href={linkTo('/explore', { meter: meter.slug, subject: subjects, range: '30d' })}
    >
      <span class="label">
        <i class="swatch" style={{ background: color }} />
        <span class="clip">{oneLine(meter.name ?? meter.slug)}</span>
        <Badge>{meter.aggregation}</Badge>
      </span>
      <span class="value number clip">
        {!total.data ? <Skeleton height={24} width="60%" /> : row ? exactNumber(exactOf(row)!) : '0'}
      </span>
      <span style={{ minHeight: '30px' }}>
        {course.data && <Sparkline values={sumOfRows(course.data.data)} label={`${meter.slug} by day`} />}
      </span>
    </Link>
  );
}
