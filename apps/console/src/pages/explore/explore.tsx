import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { busiestMeters, type Meter, useActivity, useMeters } from '../../api/queries.ts';
import { dateTime, windowName } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { TimeChart } from '../../chart/timeChart.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Card, Empty, Failure, PageHead, Segmented, Skeleton, SkeletonRows } from '../../ui/parts.tsx';
import { AsCode } from './asCode.tsx';
import { chartData, withBefore } from './chartData.ts';
import { downloadCsv } from './download.ts';
import { ExploreBar } from './exploreBar.tsx';
import { windowLabels } from './range.ts';
import { type ExploreState, hasTop, isAdditive, stateIn } from './state.ts';
import { GroupTable, Total, WindowTable } from './tables.tsx';
import { useExplored } from './usage.ts';

const chartHeight = 300;
const charts = [
  { value: 'line', label: 'Line', icon: 'line' },
  { value: 'bar', label: 'Bars', icon: 'bar' },
  { value: 'stacked', label: 'Stacked', icon: 'stacked' },
] as const;

/** Usage of one meter: what is shown is what the URL says. */
export function Explore() {
  const meters = useMeters();
  const url = useUrlState();
  const { busiest, isPending } = useBusiestMeter(url.get('meter') === undefined, meters.data);
  if (meters.error) return <Failure error={meters.error} retry={() => void meters.refetch()} />;
  if (!meters.data || isPending) return <SkeletonRows rows={8} height={26} />;
  const asked = url.get('meter');
  const meter = meters.data.find(({ slug }) => slug === asked) ?? busiest ?? meters.data[0];
  if (!meter) {
    return (
      <>
        <PageHead title="Explore" />
        <Empty
          icon="meters"
          title="There is nothing to explore yet"
          actions={
            may.admin.value && (
              <Link class="button primary" href="/meters/new">
                Create a meter
              </Link>
            )
          }
        >
          Usage is what a meter measures. It covers the events stored before it.
        </Empty>
      </>
    );
  }
  return <ExploreMeter meter={meter} meters={meters.data} />;
}

/** The meter with most events in the last hour; the one that was chosen stays, whatever comes meanwhile. */
function useBusiestMeter(isWanted: boolean, meters: Meter[] | undefined) {
  const activity = useActivity(60, false, isWanted);
  const chosen = useRef<Meter>();
  if (isWanted && activity.data && meters) chosen.current ??= busiestMeters(activity.data, meters)[0]?.meter;
  return { busiest: chosen.current, isPending: isWanted && activity.isPending };
}

function ExploreMeter({ meter, meters }: { meter: Meter; meters: Meter[] }) {
  const url = useUrlState();
  // Held while the page is open: ranges that end now would ask anew with every render.
  const [nowMs, setNow] = useState(() => Date.now());
  const given = stateIn(url, nowMs);
  const top = hasTop(meter, given.groupBy) ? given.top : undefined;
  const percentile = meter.aggregation === 'PERCENTILE' ? given.percentile : undefined;
  const state = { ...given, top, percentile, meter: meter.slug };
  const isNamed = url.get('meter') === meter.slug;
  // So that the address can be sent to somebody else.
  useEffect(() => {
    if (!isNamed) url.set({ meter: meter.slug }, { replace: true });
  }, [isNamed]);
  const explored = useExplored(state);
  const [isCode, setCode] = useState(false);
  const error = explored.windows.error ?? explored.groups.error ?? explored.total.error;
  return (
    <>
      <PageHead title="Explore" about={meter.description ? oneLine(meter.description) : undefined}>
        <button type="button" class="button" onClick={() => setNow(Date.now())} title="Ask again, up to now">
          <Icon name="refresh" /> Refresh
        </button>
        <button type="button" class="button" onClick={() => void downloadCsv(state)}>
          <Icon name="download" /> CSV
        </button>
        <button type="button" class="button" onClick={() => setCode(true)}>
          <Icon name="code" /> As code
        </button>
      </PageHead>
      <Card flush>
        <ExploreBar meter={meter} meters={meters} state={state} />
      </Card>
      {error && <Failure error={error} retry={() => void explored.windows.refetch()} />}
      <div class="stack">
        <Total meter={meter} state={state} explored={explored} />
        <ChartCard meter={meter} state={state} explored={explored} />
        {state.groupBy.length > 0 && <GroupTable meter={meter} state={state} explored={explored} />}
        <WindowTable meter={meter} state={state} explored={explored} />
      </div>
      {isCode && <AsCode meter={meter} state={state} onClose={() => setCode(false)} />}
    </>
  );
}

type Explored = ReturnType<typeof useExplored>;

function ChartCard({ meter, state, explored }: { meter: Meter; state: ExploreState; explored: Explored }) {
  const url = useUrlState();
  const { windows, windowsBefore, before } = explored;
  const additive = isAdditive(meter);
  const groupBy = state.groupBy;
  const shiftMs = before ? Date.parse(state.range.from) - Date.parse(before.from) : 0;
  // Of 100,000 rows this takes its time: it is done for an answer, not for each drawing of the page.
  const shown = useMemo(() => {
    const data = windows.data && chartData(windows.data, groupBy, additive, meter.slug);
    return data && windowsBefore.data && before ? withBefore(data, windowsBefore.data, shiftMs) : data;
  }, [windows.data, windowsBefore.data, groupBy.join(), meter.slug, shiftMs]);
  return (
    <Card
      title={`${oneLine(meter.name ?? meter.slug)} by ${windowLabels[state.window]}`}
      actions={
        <Segmented
          label="Chart"
          options={charts}
          value={state.chart}
          onChange={(chart) => url.set({ chart })}
        />
      }
    >
      <div class="stack tight" style={{ minHeight: `${chartHeight + 30}px` }}>
        {!shown ? (
          <Skeleton height={chartHeight} />
        ) : shown.times.length === 0 ? (
          <Empty icon="explore" title="No usage in this time">
            {dateTime(state.range.from, state.zone)} to {dateTime(state.range.to, state.zone)}, with these
            filters. A longer range, or fewer filters, may show some.{' '}
            <Link href={linkTo('/events', { type: meter.eventType })}>See the events of its type</Link>
          </Empty>
        ) : (
          <>
            <TimeChart
              times={shown.times}
              series={shown.series}
              kind={state.chart === 'stacked' && !additive ? 'bar' : state.chart}
              height={chartHeight}
              zone={state.zone}
              timeText={(ms) => windowName(ms, state.window, state.zone)}
              label={`${meter.slug} from ${dateTime(state.range.from, state.zone)} to ${dateTime(state.range.to, state.zone)}; the table below has the values`}
            />
            <div class="legend">
              {shown.series.map(({ label, color }) => (
                <span key={label}>
                  <i class="swatch" style={{ background: color }} />
                  <span class="clip">{oneLine(label)}</span>
                </span>
              ))}
            </div>
          </>
        )}
      </div>
    </Card>
  );
}
