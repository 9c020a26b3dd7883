import type { Sql } from '@usage/db/connection/connect.ts';
import * as store from '@usage/db/limits/reservations.ts';
import { compareDecimals, type Decimal, formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { Problem } from '@usage/lib/http/problem.ts';

/** That the work is done: `amount` was used, 0 of it where it is released. */
export interface Finish {
  namespace: string;
  id: string;
  /** undefined = what is held. */
  amount: Decimal | undefined;
  event: store.Reservation['event'];
}

/** How long a commit counts while its event has not come: then the service gives it up and counts it in a metric. */
export const reportedWithinMs = 24 * 3_600_000;

/** In order; the same again changes nothing. */
export async function finishAll(
  sql: Sql,
  finishes: readonly Finish[],
): Promise<(store.Reservation | Error)[]> {
  return sql.begin(async (tx) => {
    const known = await store.lockReservations(tx, [...new Set(finishes.map(({ id }) => id))]);
    const changes = new Map<string, store.ReservationChange>();
    const answers = finishes.map((finish) => {
      const before = known.get(finish.id);
      if (!before || before.namespace !== finish.namespace)
        return new Problem('not_found', `There is no reservation ${JSON.stringify(finish.id.slice(0, 64))}.`);
      const current = { ...before, ...changes.get(finish.id) };
      const change = changeOf(current, finish);
      if (change && !(change instanceof Error)) changes.set(finish.id, change);
      return change instanceof Error ? change : finish.id;
    });
    const changed = changes.size > 0 ? await store.changeReservations(tx, [...changes.values()]) : new Map();
    return answers.map((answer) =>
      answer instanceof Error ? answer : ((changed.get(answer) ?? known.get(answer)!) as store.Reservation),
    );
  }) as Promise<(store.Reservation | Error)[]>;
}

/** undefined where it is as it should be already. */
function changeOf(
  before: Pick<store.Reservation, 'id' | 'state' | 'amount' | 'event'>,
  finish: Finish,
): store.ReservationChange | Error | undefined {
  const amount = finish.amount ?? before.amount;
  const event = finish.event ?? before.event;
  const isRelease = compareDecimals(amount, 0) === 0;
  switch (before.state) {
    case 'held':
    case 'expired':
      if (isRelease)
        return { id: before.id, state: 'released', amount: before.amount, event, expiresInMs: undefined };
      if (!event)
        return new Problem(
          'bad_request',
          'event is missing: without the source and id of the event that reports the usage, the usage would count twice.',
        );
      return { id: before.id, state: 'committed', amount, event, expiresInMs: reportedWithinMs };
    case 'committed':
    case 'reported':
      return isSame(before, amount, event) ? undefined : differs(before);
    case 'released':
      return isRelease ? undefined : new Problem('conflict', 'The reservation was released: reserve again.');
    default:
      return before.state satisfies never;
  }
}

function isSame(
  before: Pick<store.Reservation, 'amount' | 'event'>,
  amount: Decimal,
  event: store.Reservation['event'],
) {
  return (
    compareDecimals(before.amount, amount) === 0 &&
    before.event?.id === event?.id &&
    before.event?.source === event?.source
  );
}

function differs({ state, amount, event }: Pick<store.Reservation, 'state' | 'amount' | 'event'>): Problem {
  return new Problem(
    'conflict',
    `The reservation is ${state} with ${formatDecimal(amount)} and the event ${JSON.stringify(event)}: that can't be changed.`,
  );
}
