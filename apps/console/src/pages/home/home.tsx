import { useQuery } from '@tanstack/preact-query';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import { type Activity, useActivity, useMeters } from '../../api/queries.ts';
import { ago, clockTime, duration, rate, wholeNumber } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { zone } from '../../app/settings.ts';
import { TimeChart } from '../../chart/timeChart.tsx';
import { Icon } from '../../ui/icons.tsx';
import { Card, Empty, Failure, Notice, PageHead, Segmented, Skeleton } from '../../ui/parts.tsx';
import { Busiest } from './busiest.tsx';
import { FirstSteps } from './firstSteps.tsx';

const pollMs = 2_000;
const hourPollMs = 10_000;
/** Rates are means of the last whole steps of ten seconds: one that is not over yet says too little. */
const rateSteps = 3;
/** The API counts no further. */
const deadLettersCountMax = 1_000;
const chartRanges = [
  { value: '10', label: '10 minutes' },
  { value: '60', label: '1 hour' },
] as const;

export function Home() {
  if (!may.read.value) return <Unreadable />;
  return <Overview />;
}

function Overview() {
  const url = useUrlState();
  const minutes = url.get('minutes') === '10' ? 10 : 60;
  const activity = useActivity(60, hourPollMs);
  const charted = useActivity(minutes, minutes === 10 ? pollMs : hourPollMs);
  const now = useActivity(1, pollMs);
  const newest = useQuery({
    queryKey: ['newest event'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v2/events', { params: { query: { limit: 1 } }, signal })),
    refetchInterval: pollMs,
  });
  const meters = useMeters();
  const { data } = activity;
  const isNew = newest.data?.items.length === 0;
  const lacksMeters = meters.data?.length === 0;
  return (
    <>
      <PageHead title="Home" about="What happens to events and meters, in the last hour.">
        {may.ingest.value && (
          <Link class="button" href="/send">
            <Icon name="send" /> Send an event
          </Link>
        )}
      </PageHead>
      {activity.error && <Failure error={activity.error} />}
      {(isNew || lacksMeters) && newest.data && meters.data && (
        <FirstSteps newest={newest.data.items[0]} meters={meters.data} />
      )}
      {now.data && <Warnings activity={now.data} />}
      <Stats hour={data} now={now.data} />
      <Card
        title="Events per second"
        actions={
          <Segmented
            label="Time shown"
            options={chartRanges}
            value={minutes === 10 ? '10' : '60'}
            onChange={(value) => url.set({ minutes: value === '10' ? '10' : undefined })}
          />
        }
      >
        {charted.data ? <RateChart activity={charted.data} /> : <Skeleton height={240} />}
      </Card>
      <Busiest activity={data} meters={meters.data} />
    </>
  );
}

function Warnings({ activity }: { activity: Activity }) {
  if (activity.asOf !== undefined) return null;
  return (
    <Notice kind="warn" title="Redis does not answer">
      Events are refused until it is back; what is stored can be read.
    </Notice>
  );
}

/** Always there for those who may see them, so that nothing moves when there are some. */
function DeadLetters({ now }: { now: Activity | undefined }) {
  const open = now?.deadLetters?.open;
  return (
    <div class="card stat">
      <span class="label">Dead letters</span>
      <span class={`value number ${open ? 'is-bad' : ''}`} data-testid="dead-letters">
        {open !== undefined && `${wholeNumber(open)}${open >= deadLettersCountMax ? ' or more' : ''}`}
      </span>
      <span class="note">
        {open === 0 && 'all is stored'}
        {open !== undefined && open > 0 && <Link href="/trouble">see and re-drive</Link>}
      </span>
    </div>
  );
}

function Stats({ hour, now }: { hour: Activity | undefined; now: Activity | undefined }) {
  const kinds = [
    { key: 'accepted', label: 'Accepted', color: 'var(--series-1)' },
    { key: 'stored', label: 'Stored', color: 'var(--series-2)' },
    { key: 'duplicates', label: 'Duplicates', color: 'var(--series-3)' },
    { key: 'rejected', label: 'Rejected', color: 'var(--series-4)' },
  ] as const;
  const shown = kinds.filter(
    ({ key }) => key !== 'duplicates' || !hour || hour.steps[0]?.duplicates !== undefined,
  );
  const behindMs = now?.asOf ? Date.parse(now.to) - Date.parse(now.asOf) : undefined;
  const waiting = now?.eventsWaiting;
  return (
    <div class="stats">
      {shown.map(({ key, label, color }) => (
        <div class="card stat" key={key}>
          <span class="label">
            <i class="swatch" style={{ background: color }} /> {label}
          </span>
          <span class="value number" data-testid={`rate-${key}`}>
            {now && (
              <>
                {rate(lastSteps(now, key), rateSteps * now.stepSeconds)} <small>/s</small>
              </>
            )}
          </span>
          <span class="note">{hour && `${wholeNumber(sum(hour, key))} in all`}</span>
        </div>
      ))}
      <div class="card stat">
        <span class="label">Freshness</span>
        <span class="value number">
          {waiting === 0 ? 'up to date' : behindMs !== undefined && `${duration(behindMs)} behind`}
        </span>
        <span class="note">
          {waiting !== undefined &&
            (waiting === 0 ? 'nothing waits' : `${wholeNumber(waiting)} wait to be stored`)}
        </span>
      </div>
      {may.admin.value && <DeadLetters now={now} />}
    </div>
  );
}

type Kind = 'accepted' | 'stored' | 'duplicates' | 'rejected';

function sum({ steps }: Activity, key: Kind): number {
  return steps.reduce((total, step) => total + (step[key] ?? 0), 0);
}

function lastSteps({ steps }: Activity, key: Kind): number {
  return steps.slice(-1 - rateSteps, -1).reduce((total, step) => total + (step[key] ?? 0), 0);
}

function RateChart({ activity }: { activity: Activity }) {
  const { steps } = activity;
  const times = steps.slice(0, -1).map(({ start }) => Date.parse(start));
  // The last step is not over yet: a rate of it would fall for no reason.
  const whole = steps.slice(0, -1);
  const values = (key: Kind) => whole.map((step) => (step[key] ?? 0) / activity.stepSeconds);
  const series = [
    { label: 'Accepted', color: 'var(--series-1)', values: values('accepted') },
    { label: 'Stored', color: 'var(--series-2)', values: values('stored') },
    ...(sum(activity, 'duplicates') > 0
      ? [{ label: 'Duplicates', color: 'var(--series-3)', values: values('duplicates') }]
      : []),
    ...(sum(activity, 'rejected') > 0
      ? [{ label: 'Rejected', color: 'var(--series-4)', values: values('rejected') }]
      : []),
  ];
  return (
    <div class="stack tight">
      <TimeChart
        times={times}
        series={series}
        kind="line"
        height={230}
        zone={zone.value}
        timeText={(ms) => clockTime(ms).replace(/[.,]\d{3}/, '')}
        label={`Events per second: ${wholeNumber(sum(activity, 'accepted'))} accepted, ${wholeNumber(sum(activity, 'stored'))} stored.`}
      />
      <div class="legend">
        {series.map(({ label, color }) => (
          <span key={label}>
            <i class="swatch" style={{ background: color }} /> {label}
          </span>
        ))}
        <span class="muted updated">updated {ago(activity.to)}</span>
      </div>
    </div>
  );
}

function Unreadable() {
  return (
    <>
      <PageHead title="Home" />
      <Empty
        icon="send"
        title="This key can send events, and nothing else"
        actions={
          <Link class="button primary" href={linkTo('/send')}>
            Send an event
          </Link>
        }
      >
        A key with the scope “read” shows usage, events and meters here.
      </Empty>
    </>
  );
}
