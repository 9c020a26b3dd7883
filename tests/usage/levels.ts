import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import {
  compare,
  divided,
  type Fraction,
  groupOf,
  inOrder,
  isAsked,
  numberOf,
  type OracleEvent,
  type OracleQuery,
  type OracleRow,
  print,
  sum,
} from './oracle.ts';

interface Change {
  event: OracleEvent;
  by: Fraction;
}

/**
 * What a query of a level must answer, change by change: each counts from its time on to the end of each window. Of WEIGHTED_SUM
 * events say by how much it changes, of WEIGHTED_LATEST what it is from then on.
 */
export function levelOracle(
  eventFromUs: number | undefined,
  events: OracleEvent[],
  query: OracleQuery,
  aggregation: 'WEIGHTED_SUM' | 'WEIGHTED_LATEST',
  secondsPerUnit: bigint,
): OracleRow[] {
  const endUs = Math.min(query.toUs ?? Number.POSITIVE_INFINITY, query.nowUs);
  const values = events
    .filter((event) => isAsked(event, query) && event.timeUs >= (eventFromUs ?? 0) && event.timeUs < endUs)
    .flatMap((event): Change[] => {
      const by = numberOf(event.v);
      return by ? [{ event, by }] : [];
    });
  const changes = aggregation === 'WEIGHTED_SUM' ? values : changesOf(values);
  const rows: OracleRow[] = [];
  const groups = Map.groupBy(changes, ({ event }) => JSON.stringify(groupOf(event, query)));
  for (const own of groups.values()) {
    const group = groupOf(own[0]!.event, query);
    const firstUs = Math.min(...own.map(({ event }) => event.timeUs));
    const fromUs = Math.max(query.fromUs ?? Number.NEGATIVE_INFINITY, firstUs);
    if (fromUs >= endUs) continue;
    const bounds = query.window
      ? windowBoundaries({ fromUs, toUs: endUs, ...query.window })
      : [fromUs, endUs];
    for (let i = 1; i < bounds.length; i++) {
      const [since, until] = [Math.max(bounds[i - 1]!, fromUs), Math.min(bounds[i]!, endUs)];
      const level = sum([zero, ...own.filter(({ event }) => event.timeUs < since).map(({ by }) => by)]);
      const within = own.filter(({ event }) => event.timeUs >= since && event.timeUs < until);
      if (level.digits === 0n && within.length === 0) continue;
      const held = own.filter(({ event }) => event.timeUs < until);
      const area = sum(held.map(({ event, by }) => times(by, until - Math.max(event.timeUs, since))));
      const inSeconds = { digits: area.digits, scale: area.scale + 6 };
      const startUs = level.digits === 0n ? Math.min(...within.map(({ event }) => event.timeUs)) : since;
      rows.push({
        ...group,
        windowStartUs: query.window ? bounds[i - 1]! : Math.floor(startUs / 60e6) * 60e6,
        windowEndUs: query.window ? bounds[i]! : Math.floor((until - 1) / 60e6) * 60e6 + 60e6,
        value: print(secondsPerUnit === 1n ? inSeconds : divided(inSeconds, secondsPerUnit)),
      });
    }
  }
  return inOrder(rows);
}

/** By how much each value differs from the one before it of the same subject, model and region. */
function changesOf(values: readonly Change[]): Change[] {
  const series = Map.groupBy(values, ({ event: { subject, model, region } }) =>
    JSON.stringify([subject, model ?? '', region ?? '']),
  );
  return [...series.values()].flatMap((own) => {
    // At the same time the greatest value counts.
    const ordered = own.toSorted((a, b) => a.event.timeUs - b.event.timeUs || compare(a.by, b.by));
    const last = ordered.filter(({ event }, i) => ordered[i + 1]?.event.timeUs !== event.timeUs);
    return last.map(({ event, by }, i) => ({ event, by: sum([by, negative(last[i - 1]?.by ?? zero)]) }));
  });
}

function negative({ digits, scale }: Fraction): Fraction {
  return { digits: -digits, scale };
}

const zero: Fraction = { digits: 0n, scale: 0 };

function times({ digits, scale }: Fraction, by: number): Fraction {
  return { digits: digits * BigInt(by), scale };
}
