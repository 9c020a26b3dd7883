import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { shortNumber, tickText } from '../app/format.ts';
import { isDark } from '../app/settings.ts';
import { oneLine } from '../ui/json.tsx';
import { resolved } from './colors.ts';
import { barStarts, barWidth, stacked } from './placement.ts';

export interface ChartSeries {
  label: string;
  /** A CSS colour or `var(--…)`. */
  color: string;
  /** One for each time; null where there is none. For drawing: exact values are shown in tables. */
  values: readonly (number | null)[];
  /** What the tip shows instead of the drawn number. */
  textAt?: (at: number) => string;
  dashed?: boolean;
}

export type ChartKind = 'line' | 'bar' | 'stacked';

export interface TimeChartProps {
  /** ms since 1970, ascending. */
  times: readonly number[];
  series: readonly ChartSeries[];
  kind: ChartKind;
  height: number;
  zone: string;
  /** How the tip names a time. */
  timeText: (ms: number) => string;
  label: string;
  /** A window was chosen, by a click. */
  onPick?: (at: number) => void;
}

/** Series over time, drawn by uPlot on a canvas; what it shows is in a table beside it, for those who can't see it. */
export function TimeChart(props: TimeChartProps) {
  const { times, series, kind, height, zone, label } = props;
  const box = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<{ at: number; left: number }>();
  const dark = isDark.value;
  const drawn = useMemo(() => toData(times, series, kind), [times, series, kind]);
  const pick = useRef(props.onPick);
  pick.current = props.onPick;

  useEffect(() => {
    const target = box.current!;
    const options = optionsOf({
      drawn,
      kind,
      height,
      width: target.clientWidth || 600,
      zone,
      onHover: setHover,
    });
    const plot = new uPlot(options, drawn.data, target);
    plot.over.addEventListener('click', () => {
      const at = plot.cursor.idx;
      if (typeof at === 'number') pick.current?.(at);
    });
    const resizing = new ResizeObserver(() => {
      const width = target.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height });
    });
    resizing.observe(target);
    return () => {
      resizing.disconnect();
      plot.destroy();
    };
  }, [drawn, kind, height, zone, dark]);

  return (
    <div class="chart" style={{ height: `${height}px` }} role="img" aria-label={label}>
      <div ref={box} />
      {hover && hover.at < times.length && <Tip {...props} at={hover.at} left={hover.left} />}
    </div>
  );
}

const tipLinesMax = 10;
const tipWidth = 330;

function Tip({ times, series, timeText, at, left }: TimeChartProps & { at: number; left: number }) {
  const shown = series.filter(({ values }) => values[at] !== null && values[at] !== undefined);
  const isRight = left > tipWidth;
  return (
    <div
      class="chart-tip"
      style={isRight ? { right: `calc(100% - ${left - 14}px)` } : { left: `${left + 76}px` }}
    >
      <span class="strong">{timeText(times[at]!)}</span>
      {shown.slice(0, tipLinesMax).map((one) => (
        <span class="line" key={one.label}>
          <i class="swatch" style={{ background: one.color }} />
          <span class="clip">{oneLine(one.label)}</span>
          <span class="number strong">{one.textAt?.(at) ?? shortNumber(one.values[at]!)}</span>
        </span>
      ))}
      {shown.length > tipLinesMax && <span class="muted">and {shown.length - tipLinesMax} more</span>}
      {shown.length === 0 && <span class="muted">no usage</span>}
    </div>
  );
}

interface Drawn {
  data: uPlot.AlignedData;
  series: readonly ChartSeries[];
}

/** Stacked series are drawn from the highest down, each on the sum of those before it. */
function toData(times: readonly number[], series: readonly ChartSeries[], kind: ChartKind): Drawn {
  const seconds = times.map((ms) => ms / 1_000);
  if (kind !== 'stacked') return { data: [seconds, ...series.map(({ values }) => [...values])], series };
  const all = stacked(series);
  return { data: [seconds, ...all.map(({ values }) => [...values])], series: all };
}

function optionsOf(of: {
  drawn: Drawn;
  kind: ChartKind;
  height: number;
  width: number;
  zone: string;
  onHover: (hover: { at: number; left: number } | undefined) => void;
}): uPlot.Options {
  const { drawn, kind, height, width, zone, onHover } = of;
  const grid = { stroke: resolved('var(--grid)'), width: 1 };
  const axis = {
    stroke: resolved('var(--text-3)'),
    grid,
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const bars = kind === 'bar' ? drawn.series.filter(({ dashed }) => !dashed).length : 1;
  return {
    width,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: kind === 'line', size: 7 } },
    scales: {
      x: { time: true, range: padded(drawn, kind) },
      y: { range: (_plot, min, max) => rangeOf(min, max) },
    },
    axes: [
      {
        ...axis,
        space: 84,
        grid: { show: false },
        values: (_plot, ticks) =>
          ticks.map((tick, at) => tickText(tick * 1_000, (ticks[at - 1] ?? Number.NaN) * 1_000, zone)),
      },
      { ...axis, size: 62, values: (_plot, ticks) => ticks.map((tick) => shortNumber(tick)) },
    ],
    series: [
      {},
      ...drawn.series.map((one, at) =>
        seriesOf(one, kind, kind === 'bar' ? at : 0, bars, drawn.series.length === 1),
      ),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const { idx, left = -1 } = plot.cursor;
          onHover(typeof idx === 'number' && left >= 0 ? { at: idx, left } : undefined);
        },
      ],
    },
  };
}

/** `at`: the place of a bar among the `bars` that stand side by side. */
function seriesOf(
  one: ChartSeries,
  kind: ChartKind,
  at: number,
  bars: number,
  isAlone: boolean,
): uPlot.Series {
  const color = resolved(one.color);
  const line = {
    label: one.label,
    stroke: color,
    width: 2,
    points: { show: one.values.length <= 1 },
    ...(one.dashed && { dash: [5, 4], width: 1.5 }),
  };
  if (one.dashed) return line;
  if (kind === 'line') return { ...line, ...(isAlone && { fill: `${color}14` }) };
  // The times are the array that was given to it.
  const timesOf = ({ data }: uPlot) => data[0] as number[];
  const widthIn = (plot: uPlot) => barWidth(timesOf(plot), bars, secondsPerPx(plot));
  const paths = uPlot.paths.bars!({
    radius: 0.08,
    disp: {
      x0: { unit: 1, values: (plot) => barStarts(timesOf(plot), at, bars, widthIn(plot)) },
      size: { unit: 1, values: (plot) => [widthIn(plot)] },
    },
  });
  return { label: one.label, stroke: color, fill: color, width: 0, paths, points: { show: false } };
}

function secondsPerPx({ scales: { x }, bbox }: uPlot): number {
  return ((x!.max! - x!.min!) * devicePixelRatio) / bbox.width;
}

/** Half a step on both sides, so that the first and last bars are whole. */
function padded({ data: [times] }: Drawn, kind: ChartKind): uPlot.Range.Function {
  return (_plot, min, max) => {
    if (times.length < 2) return [min - 1_800, max + 1_800];
    const step = kind === 'line' ? 0 : ((max - min) / (times.length - 1)) * 0.5;
    return [min - step, max + step];
  };
}

function rangeOf(min: number, max: number): [number, number] {
  if (!Number.isFinite(min) || !Number.isFinite(max) || (min === 0 && max === 0)) return [0, 1];
  const low = Math.min(0, min);
  const high = Math.max(0, max);
  const room = (high - low) * 0.06;
  return [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
}
