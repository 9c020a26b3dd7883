import { Link } from 'wouter-preact';
import { type Activity, busiestMeters, type Meter } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { oneLine } from '../../ui/json.tsx';
import { Card, SkeletonRows } from '../../ui/parts.tsx';

const shownMax = 6;

interface Bar {
  name: string;
  events: number;
  href: string;
}

/** Who and what had most events in the last hour. */
export function Busiest({
  activity,
  meters,
}: {
  activity: Activity | undefined;
  meters: Meter[] | undefined;
}) {
  const types = activity?.busiest.types ?? [];
  const busiest = activity && meters ? busiestMeters(activity, meters) : [];
  const meterBars = busiest.map(({ meter: { slug }, events }) => ({
    name: slug,
    events,
    href: linkTo('/explore', { meter: slug }),
  }));
  const subjects = activity?.busiest.subjects ?? [];
  const sampled = activity?.busiest.subjectsSampled ?? 0;
  return (
    <div class="grid-3">
      <Bars
        title="Busiest meters"
        bars={meterBars}
        loading={!activity || !meters}
        empty="No meter had events in the last hour."
      />
      <Bars
        title="Busiest subjects"
        bars={subjects.map(({ subject, events }) => ({
          name: subject,
          events,
          href: linkTo('/subject', { key: subject }),
        }))}
        loading={!activity}
        empty="No subject had events in the last hour."
        footer={`Of the newest ${wholeNumber(sampled)} events`}
      />
      <Bars
        title="Event types"
        bars={types.map(({ type, events }) => ({ name: type, events, href: linkTo('/events', { type }) }))}
        loading={!activity}
        empty="No events in the last hour."
      />
    </div>
  );
}

function Bars(props: { title: string; bars: Bar[]; loading: boolean; empty: string; footer?: string }) {
  const { bars } = props;
  const most = bars[0]?.events ?? 1;
  return (
    <Card title={props.title} flush footer={bars.length > 0 ? props.footer : undefined}>
      <div style={{ minHeight: '226px' }}>
        {props.loading ? (
          <SkeletonRows rows={5} />
        ) : bars.length === 0 ? (
          <p class="muted" style={{ padding: '16px' }}>
            {props.empty}
          </p>
        ) : (
          <div class="bars">
            {bars.slice(0, shownMax).map(({ name, events, href }) => (
              <Link class="bar-row" href={href} key={name}>
                <i class="fill" style={{ width: `calc(${(events / most) * 100}% - 6px)` }} />
                <span class="clip">{oneLine(name)}</span>
                <span class="number soft">{wholeNumber(events)}</span>
              </Link>
            ))}
          </div>
        )}
      </div>
    </Card>
  );
}
