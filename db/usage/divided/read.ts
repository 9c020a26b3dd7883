import { formatTimeUs } from '@usage/lib/event/time.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import type { Executor, Transaction } from '../../connection/connect.ts';
import type { Accumulator } from '../accumulator.ts';
import type { EventSums } from '../eventSums.ts';
import type { UsageScope } from '../sql/rollupSums.ts';
import { DividedMinutes } from './minutes.ts';
import { dividedMinutes } from './rollupMinutes.ts';

/** The minutes that a cut divides, with what the rollups hold of them; nothing is asked where there is none. */
export async function divide(
  tx: Executor,
  scope: UsageScope,
  cuts: readonly number[],
  starts: readonly number[],
): Promise<DividedMinutes> {
  const minutes = new DividedMinutes(cuts, starts);
  if (starts.length > 0) minutes.addRollups(await dividedMinutes(tx, scope, cuts, starts));
  return minutes;
}

/**
 * Once all cells are known: adds the events of the minutes that need them. Returns the starts of these minutes, whose rollups
 * must not be added. Problems: 400 where their events are no longer kept.
 */
export async function addDividedEvents(
  minutes: DividedMinutes,
  accumulator: Accumulator,
  tx: Transaction,
  events: EventSums,
): Promise<number[]> {
  const raw = minutes.raw();
  const starts = [...raw.keys()];
  if (starts.length === 0) return starts;
  const ranges = starts.map((minute) => ({ fromUs: minute, toUs: minute + minuteUs }));
  const read = new Map<number, number>();
  await events.addEvents(accumulator, tx, ranges, 'divided_minute', read);
  for (const [minute, expected] of raw) if (read.get(minute) !== expected) throw eventsGone(minute);
  return starts;
}

function eventsGone(minute: number): Problem {
  return new Problem(
    'bad_request',
    `The events of the minute from ${formatTimeUs(minute)} are no longer kept, only its totals: choose from, to and a time zone whose bounds lie on full minutes there.`,
  );
}
