import type { Sql } from '@usage/db/connection/connect.ts';
import { getReservation, type Reservation } from '@usage/db/limits/reservations.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { CommitInput, ReservationInput } from '@usage/lib/limits/api/reservations.ts';
import type { CheckRunner } from '../checks/runner.ts';
import { amount } from '../checks/value.ts';
import { amountOf } from '../entitlements/rules.ts';
import { type Ask, bodyOf } from '../http/ask.ts';
import { Batches } from './batches.ts';
import { type Finish, finishAll } from './finish.ts';
import { type Reserved, reserveAll, type Wanted } from './reserve.ts';

const batchMax = 500;
const queuedMax = 10_000;
const holdSecondsByDefault = 60;

/** Amounts spoken for before they are used. Errors are thrown as Problem. */
export function reservationHandlers(sql: Sql, checks: CheckRunner) {
  const reserves = new Batches<Wanted, Reserved>(
    (wanted) => reserveAll(sql, wanted, checks),
    batchMax,
    queuedMax,
  );
  const finishes = new Batches<Finish, Reservation>((all) => finishAll(sql, all), batchMax, queuedMax);
  return {
    async createReservation(ask: Ask) {
      const input = await bodyOf(ask, ReservationInput, 'reservation');
      const wanted = toWanted(ask, input);
      const { reservation, available } = await checks.measured('reserve', ask.namespace, () =>
        reserves.add(wanted),
      );
      return Response.json(
        { ...toWire(reservation), ...(available !== undefined && amount('available', available)) },
        { status: available === undefined ? 200 : 201 },
      );
    },
    async getReservation({ namespace, params }: Ask) {
      const reservation = await getReservation(sql, namespace, params.reservationId!);
      if (reservation) return toWire(reservation);
      throw new Problem('not_found', 'There is no such reservation.');
    },
    async commitReservation(ask: Ask) {
      const input = await bodyOf(ask, CommitInput, 'commit');
      const issues: Issue[] = [];
      const used = input.amount == null ? undefined : amountOf(input.amount, 'amount', issues);
      if (issues.length > 0) throw invalid('commit', issues);
      const { namespace, params } = ask;
      const finish = { namespace, id: params.reservationId!, amount: used, event: input.event ?? undefined };
      return toWire(await finishes.add(finish));
    },
    async releaseReservation({ namespace, params }: Ask) {
      return toWire(
        await finishes.add({ namespace, id: params.reservationId!, amount: 0, event: undefined }),
      );
    },
  };
}

function toWanted(ask: Ask, input: ReservationInput): Wanted {
  const issues: Issue[] = [];
  const wanted = amountOf(input.amount, 'amount', issues);
  if (wanted === 0) issues.push({ field: 'amount', reason: 'must be more than 0' });
  if (issues.length > 0) throw invalid('reservation', issues);
  return {
    namespace: ask.namespace,
    customer: ask.params.customerIdOrKey!,
    featureKey: input.featureKey,
    amount: wanted,
    lockId: input.lockId,
    expiresInMs: (input.expiresInSeconds ?? holdSecondsByDefault) * 1_000,
    onOverage: input.onOverage ?? 'reject',
    event: input.event ?? undefined,
  };
}

function toWire(reservation: Reservation) {
  const { id, entitlementId, lockId, state, event, committedAtUs } = reservation;
  return {
    id,
    entitlementId,
    lockId,
    state,
    ...amount('requested', reservation.requested),
    ...amount('amount', reservation.amount),
    ...(event && { event }),
    createdAt: formatTimeUs(reservation.createdAtUs),
    expiresAt: formatTimeUs(reservation.expiresAtUs),
    ...(committedAtUs !== undefined && { committedAt: formatTimeUs(committedAtUs) }),
  };
}
