import { type Decimal, formatDecimal, readDecimal } from '@usage/lib/decimal/decimal.ts';
import { ulid } from 'ulid';
import type { Executor, Sql, Transaction } from '../connection/connect.ts';
import { usOf } from './columns.ts';

export type ReservationState = 'held' | 'committed' | 'reported' | 'released' | 'expired';

export interface Reservation {
  /** ULID. */
  id: string;
  namespace: string;
  entitlementId: string;
  lockId: string;
  requested: Decimal;
  amount: Decimal;
  state: ReservationState;
  event: { source: string; id: string } | undefined;
  createdAtUs: number;
  expiresAtUs: number;
  committedAtUs: number | undefined;
}

/** One statement that sees all other reservations of these entitlements, and whose commit fails all that did not see it. */
export function reserveSnapshot<T>(sql: Sql, reserve: (tx: Transaction) => Promise<T>): Promise<T> {
  return sql.begin('ISOLATION LEVEL REPEATABLE READ', reserve) as Promise<T>;
}

/** First in the transaction; throws SQLSTATE 40001 where somebody else reserved of one of them meanwhile. */
export async function claimEntitlements(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx`
    WITH own AS (SELECT id FROM entitlements WHERE id = ANY(${[...ids]}::text[]) ORDER BY id FOR NO KEY UPDATE)
    UPDATE entitlements e SET reserve_version = reserve_version + 1 FROM own WHERE e.id = own.id`;
}

export interface NamedEntitlement {
  id: string;
  customerId: string;
}

/** Which entitlement each question means, in order; a customer by id, key or subject. */
export async function entitlementsNamed(
  sql: Executor,
  questions: readonly { namespace: string; customer: string; featureKey: string }[],
): Promise<(NamedEntitlement | undefined)[]> {
  const rows = await sql<(NamedEntitlement & { n: number })[]>`
    SELECT q.n::int AS n, e.id, e.customer_id AS "customerId" FROM unnest(${questions.map((one) => one.namespace)}::text[], ${questions.map((one) => one.customer)}::text[],
                                 ${questions.map((one) => one.featureKey)}::text[]) WITH ORDINALITY AS q (namespace, customer, feature, n)
    CROSS JOIN LATERAL (
      SELECT c.id FROM customers c WHERE c.id = q.customer AND c.namespace = q.namespace AND c.deleted_at IS NULL
      UNION
      SELECT s.customer_id FROM customer_subjects s WHERE s.namespace = q.namespace AND s.subject = q.customer
      LIMIT 1) found
    JOIN entitlements e ON e.customer_id = found.id AND e.feature_key = q.feature AND e.deleted_at IS NULL`;
  const named = new Array<NamedEntitlement | undefined>(questions.length).fill(undefined);
  for (const { n, id, customerId } of rows) named[n - 1] = { id, customerId };
  return named;
}

export async function reservationsByLock(
  tx: Transaction,
  locks: readonly { entitlementId: string; lockId: string }[],
): Promise<Reservation[]> {
  const rows = await tx<ReservationRow[]>`
    SELECT ${columns(tx)} FROM unnest(${locks.map((one) => one.entitlementId)}::text[], ${locks.map((one) => one.lockId)}::text[])
      AS k (entitlement_id, lock_id)
    JOIN reservations r ON r.entitlement_id = k.entitlement_id AND r.lock_id = k.lock_id`;
  return rows.map(toReservation);
}

export interface NewReservation {
  namespace: string;
  entitlementId: string;
  lockId: string;
  requested: Decimal;
  amount: Decimal;
  event: Reservation['event'];
  expiresInMs: number;
}

/** In order. */
export async function insertReservations(
  tx: Transaction,
  reservations: readonly NewReservation[],
): Promise<Reservation[]> {
  const ids = reservations.map(() => ulid());
  const rows = await tx<ReservationRow[]>`
    INSERT INTO reservations AS r (id, namespace, entitlement_id, lock_id, requested, amount, state, event_source, event_id, expires_at)
    SELECT v.id, v.namespace, v.entitlement_id, v.lock_id, v.requested::numeric, v.amount::numeric, 'held', v.event_source, v.event_id,
           clock_timestamp() + v.ms * interval '1 millisecond'
    FROM unnest(${ids}::text[], ${reservations.map((one) => one.namespace)}::text[],
                ${reservations.map((one) => one.entitlementId)}::text[], ${reservations.map((one) => one.lockId)}::text[],
                ${reservations.map((one) => formatDecimal(one.requested))}::text[], ${reservations.map((one) => formatDecimal(one.amount))}::text[],
                ${reservations.map((one) => one.event?.source ?? null)}::text[], ${reservations.map((one) => one.event?.id ?? null)}::text[],
                ${reservations.map((one) => one.expiresInMs)}::float8[])
      AS v (id, namespace, entitlement_id, lock_id, requested, amount, event_source, event_id, ms)
    RETURNING ${columns(tx)}`;
  const byId = new Map(rows.map((row) => [row.id, toReservation(row)]));
  return ids.map((id) => byId.get(id)!);
}

/** Locked until the transaction ends, by id; in a fixed order, so that two transactions never wait for each other. */
export async function lockReservations(
  tx: Transaction,
  ids: readonly string[],
): Promise<Map<string, Reservation>> {
  const rows = await tx<ReservationRow[]>`
    SELECT ${columns(tx)} FROM reservations r WHERE r.id = ANY(${[...ids]}::text[]) ORDER BY r.id FOR UPDATE`;
  return new Map(rows.map((row) => [row.id, toReservation(row)]));
}

export interface ReservationChange {
  id: string;
  state: ReservationState;
  amount: Decimal;
  event: Reservation['event'];
  /** From now on; undefined = it stays. */
  expiresInMs: number | undefined;
}

export async function changeReservations(
  tx: Transaction,
  changes: readonly ReservationChange[],
): Promise<Map<string, Reservation>> {
  const rows = await tx<ReservationRow[]>`
    UPDATE reservations AS r SET state = v.state, amount = v.amount::numeric, event_source = v.event_source, event_id = v.event_id,
      expires_at = coalesce(clock_timestamp() + v.ms * interval '1 millisecond', r.expires_at),
      committed_at = CASE WHEN v.state IN ('committed', 'reported') THEN coalesce(r.committed_at, now()) END,
      ended_at = CASE WHEN v.state IN ('released', 'reported') THEN coalesce(r.ended_at, now()) END
    FROM unnest(${changes.map(({ id }) => id)}::text[], ${changes.map(({ state }) => state)}::text[],
                ${changes.map(({ amount }) => formatDecimal(amount))}::text[], ${changes.map(({ event }) => event?.source ?? null)}::text[],
                ${changes.map(({ event }) => event?.id ?? null)}::text[], ${changes.map(({ expiresInMs }) => expiresInMs ?? null)}::float8[])
      AS v (id, state, amount, event_source, event_id, ms)
    WHERE r.id = v.id RETURNING ${columns(tx)}`;
  return new Map(rows.map((row) => [row.id, toReservation(row)]));
}

export async function getReservation(
  sql: Executor,
  namespace: string,
  id: string,
): Promise<Reservation | undefined> {
  const [row] = await sql<ReservationRow[]>`
    SELECT ${columns(sql)} FROM reservations r WHERE r.namespace = ${namespace} AND r.id = ${id}`;
  return row && toReservation(row);
}

interface ReservationRow {
  id: string;
  namespace: string;
  entitlement_id: string;
  lock_id: string;
  requested: string;
  amount: string;
  state: ReservationState;
  event_source: string | null;
  event_id: string | null;
  created_us: number;
  expires_us: number;
  committed_us: number | null;
}

function columns(sql: Executor) {
  return sql`r.id, r.namespace, r.entitlement_id, r.lock_id, r.requested::text AS requested, r.amount::text AS amount, r.state,
    r.event_source, r.event_id, ${usOf(sql, 'r.created_at')} AS created_us, ${usOf(sql, 'r.expires_at')} AS expires_us,
    ${usOf(sql, 'r.committed_at')} AS committed_us`;
}

function toReservation(row: ReservationRow): Reservation {
  return {
    id: row.id,
    namespace: row.namespace,
    entitlementId: row.entitlement_id,
    lockId: row.lock_id,
    requested: readDecimal(row.requested),
    amount: readDecimal(row.amount),
    state: row.state,
    event: row.event_id === null ? undefined : { source: row.event_source!, id: row.event_id },
    createdAtUs: row.created_us,
    expiresAtUs: row.expires_us,
    committedAtUs: row.committed_us ?? undefined,
  };
}
