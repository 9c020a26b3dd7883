import { endUs } from '@usage/lib/event/time.ts';
import { type Aggregation, isLevel } from '@usage/lib/meter/meter.ts';
import { dayUs, hourUs } from '@usage/lib/windows/units.ts';
import { type WindowSize, windowBoundaries, windowUsTypical } from '@usage/lib/windows/windows.ts';
import {
  compare,
  type Fraction,
  inOrder,
  numberOf,
  type OracleQuery,
  type OracleRow,
  print,
} from './oracle.ts';

/** What queries answer that look at more windows than they have rows, from what plain queries answer. */
type Plain = (query: OracleQuery) => OracleRow[];

/** The query with what its aggregation allows of overlays, over a range that has few windows. */
export function overlaid(aggregation: Aggregation, query: OracleQuery): OracleQuery {
  const { window, percentileWindow: inner, rolling, percentile = 95 } = query;
  const plain = { ...query, percentileWindow: undefined, rolling: undefined };
  if (rolling) return window ? { ...within(plain, 30 * windowUsTypical[window.size]), rolling } : plain;
  const adds = aggregation === 'SUM' || aggregation === 'COUNT';
  if (inner && adds && (!window || windowUsTypical[window.size] > windowUsTypical[inner]))
    return { ...within(plain, 400 * windowUsTypical[inner]), percentileWindow: inner, percentile };
  if (!isLevel(aggregation) || !window || windowUsTypical[window.size] >= dayUs) return plain;
  // A level has a row in each window.
  const endUs = Math.min(query.toUs ?? query.nowUs, query.nowUs);
  const sinceUs = endUs - (windowUsTypical[window.size] < hourUs ? 3 * hourUs : 4 * dayUs);
  return { ...plain, fromUs: Math.max(query.fromUs ?? sinceUs, sinceUs) };
}

function within(query: OracleQuery, lengthUs: number): OracleQuery {
  const fromUs = query.fromUs ?? Math.max(0, (query.toUs ?? query.nowUs) - lengthUs);
  return { ...query, fromUs, toUs: Math.min(query.toUs ?? endUs - 1, fromUs + lengthUs) };
}

/** The percentile of the windows in each window: all of them in a list, those without events as 0, sorted. */
export function percentilesOfWindows(plain: Plain, query: OracleQuery, inner: WindowSize): OracleRow[] {
  const [fromUs, toUs] = [query.fromUs!, Math.min(query.toUs ?? query.nowUs, query.nowUs)];
  if (fromUs >= toUs) return [];
  const { zone } = query.window ?? { zone: 'UTC' };
  const outer = query.window ? windowBoundaries({ fromUs, toUs, ...query.window }) : [fromUs, toUs];
  const bounds = [...windowBoundaries({ fromUs, toUs, size: inner, zone }), ...outer, fromUs, toUs]
    .filter((us) => us >= fromUs && us <= toUs)
    .sort((a, b) => a - b);
  const cuts = bounds.filter((us, n) => us !== bounds[n - 1]);
  const starts = cuts.slice(0, -1);
  const outerOf = (at: number) => {
    const i = outer.findIndex((start, n) => start <= at && at < outer[n + 1]!);
    return [outer[i]!, outer[i + 1]!] as const;
  };
  const found = starts.flatMap((start, n) =>
    plain({ ...query, fromUs: start, toUs: cuts[n + 1]!, window: undefined }).map((row) => ({
      ...row,
      windowStartUs: start,
    })),
  );
  const groups = Map.groupBy(found, ({ windowStartUs, subject, groupBy }) =>
    JSON.stringify([outerOf(windowStartUs)[0], subject, groupBy]),
  );
  const rows = [...groups.values()].map((own): OracleRow => {
    const [windowStartUs, windowEndUs] = outerOf(own[0]!.windowStartUs);
    const values = starts
      .filter((start) => outerOf(start)[0] === windowStartUs)
      .map((start) => own.find((row) => row.windowStartUs === start)?.value ?? '0')
      .map((text): Fraction => numberOf(text)!)
      .sort(compare);
    const thousandths = BigInt(Math.round(query.percentile! * 1_000)) * BigInt(values.length);
    const rank = Number((thousandths + 99_999n) / 100_000n);
    return { ...own[0]!, windowStartUs, windowEndUs, value: print(values[rank - 1]!) };
  });
  return inOrder(rows);
}

/** A plain query for each window that ends where a step ends. */
export function rollingWindows(
  plain: Plain,
  query: OracleQuery,
  length: { hours: number } | { days: number },
): OracleRow[] {
  const [fromUs, toUs] = [query.fromUs!, Math.min(query.toUs ?? query.nowUs, query.nowUs)];
  if (fromUs >= toUs) return [];
  const [, ...ends] = windowBoundaries({ fromUs, toUs, ...query.window! });
  const rows = ends.flatMap((end) => {
    const windowEndUs = Math.min(end, toUs);
    const windowStartUs = before(windowEndUs, length, query.window!.zone);
    return plain({ ...query, fromUs: windowStartUs, toUs: windowEndUs, window: undefined }).map((row) => ({
      ...row,
      windowStartUs,
      windowEndUs,
    }));
  });
  return inOrder(rows).sort((a, b) => a.windowStartUs - b.windowStartUs || a.windowEndUs - b.windowEndUs);
}

function before(us: number, length: { hours: number } | { days: number }, zone: string): number {
  const end = Temporal.Instant.fromEpochNanoseconds(BigInt(us) * 1_000n).toZonedDateTimeISO(zone);
  return Number(end.subtract(length).epochNanoseconds / 1_000n);
}
