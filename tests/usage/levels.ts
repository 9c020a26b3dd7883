import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import {
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

/** What a query of a WEIGHTED_SUM must answer, change by change: each counts from its time on to the end of each window. */
export function levelOracle(
  eventFromUs: number | undefined,
  events: OracleEvent[],
  query: OracleQuery,
  secondsPerUnit: bigint,
): OracleRow[] {
  const endUs = Math.min(query.toUs ?? Number.POSITIVE_INFINITY, query.nowUs);
  const changes = events
    .filter((event) => isAsked(event, query) && event.timeUs >= (eventFromUs ?? 0) && event.timeUs < endUs)
    .flatMap((event): Change[] => {
      const by = numberOf(event.v);
      return by ? [{ event, by }] : [];
    });
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

const zero: Fraction = { digits: 0n, scale: 0 };

function times({ digits, scale }: Fraction, by: number): Fraction {
  return { digits: digits * BigInt(by), scale };
}
