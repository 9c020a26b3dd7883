import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { ApiError, api, dataOf } from '../../api/client.ts';
import { useMeters } from '../../api/queries.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { seriesColor } from '../../chart/colors.ts';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { Card, Empty, Failure, PageHead, Segmented, SkeletonRows } from '../../ui/parts.tsx';
import { UsageCard } from '../explore/usageCard.tsx';

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
          <Icon name="events" /> Events
        </Link>
      </PageHead>
      {meters.error && <Failure error={meters.error} retry={() => void meters.refetch()} />}
      {!meters.data ? (
        !meters.error && <SkeletonRows rows={5} height={60} />
      ) : meters.data.length === 0 ? (
        <Empty icon="meters" title="No meters yet">
          Usage is what a meter measures.
        </Empty>
      ) : (
        <div class="grid-3">
          {meters.data.map((meter, at) => (
            <UsageCard
              key={meter.slug}
              meter={meter}
              of={{ subject: [subject] }}
              subjects={[subject]}
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
