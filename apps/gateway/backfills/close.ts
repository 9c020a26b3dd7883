import { getBackfill, lockBackfill, markClosed, type StoredBackfill } from '@usage/db/backfills/backfills.ts';
import {
  type ChangedMinutes,
  minutesOfBackfill,
  noteSubjects,
  takeIdentities,
  voidDuplicates,
  voidReplaced,
} from '@usage/db/backfills/closing.ts';
import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { queryCanceled } from '@usage/db/connection/sqlStates.ts';
import { limitStatement } from '@usage/db/connection/statementLimit.ts';
import { analyzeCorrections, lockCorrections } from '@usage/db/corrections/corrections.ts';
import { staleMinutesMax } from '@usage/db/corrections/staleMinutes.ts';
import { readIdentityTables } from '@usage/db/events/identityTables.ts';
import { type Actor, insertAudit } from '@usage/db/limits/audit.ts';
import { readRegistryShared } from '@usage/db/meters/registry.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { markMinutes } from '../corrections/markMinutes.ts';
import { fromDatabase } from '../database.ts';
import { notFound, rangeOf, stateOf, toWire, type Wire } from './wire.ts';

/** Of one statement; a closing has some ten of them. */
const statementMsMax = 15_000;
/** Events that a closing may put out of count. */
const replacedEventsMax = 200_000;
/** What was accepted before the request is stored within this time, or the client tries again. */
const drainMsMax = 20_000;
const drainPollMs = 20;
/** So often the open identity table is another one than when the closing was begun. */
const triesMax = 3;

class IdentityTableClosed extends Error {}

/** Undoes a dry run. */
class DryRun extends Error {
  constructor(readonly outcome: Wire) {
    super();
  }
}

/** Closes a backfill (closeStored) once all is stored that was accepted before. Problems: 400, 404, 409, 503. */
export async function close(
  sql: Sql,
  stream: Pick<EventStream, 'position'>,
  actor: Actor,
  id: string,
  dryRun: boolean,
): Promise<Wire> {
  await drained(stream);
  return closeStored(sql, actor, id, dryRun);
}

/**
 * Closes a backfill, in one transaction:
 *
 *   1. no batch of the backfill commits any more (its row is locked), and no correction is made meanwhile
 *   2. the events that it replaces are voided
 *   3. its identities are put into the open identity table; its events whose identity was there are voided, unless it has
 *      replaced the one outside
 *   4. under the registry's shared lock the minutes of all of these are marked stale, and the backfill is marked closed: from the
 *      commit on queries read these minutes from the events that count now
 *
 * Problems: 400, 404, 409 where it was reverted, 503.
 */
export async function closeStored(sql: Sql, actor: Actor, id: string, dryRun: boolean): Promise<Wire> {
  for (let tries = 1; ; tries++) {
    try {
      return await fromDatabase(sql.begin((tx) => closeIn(tx, actor, id, dryRun)) as Promise<Wire>);
    } catch (error) {
      if (error instanceof DryRun) return error.outcome;
      if (error instanceof IdentityTableClosed && tries < triesMax) continue;
      throw error;
    }
  }
}

/** Holds the namespace's corrections and then the backfill until the transaction ends. Problems: 404. */
export async function holdForChange(
  tx: Transaction,
  { namespace }: Actor,
  id: string,
): Promise<StoredBackfill> {
  await limitStatement(tx, statementMsMax);
  await lockCorrections(tx, namespace);
  const stored = await lockBackfill(tx, namespace, id);
  if (!stored) throw notFound(id);
  return stored;
}

async function closeIn(tx: Transaction, actor: Actor, id: string, dryRun: boolean): Promise<Wire> {
  const { namespace, name } = actor;
  const stored = await holdForChange(tx, actor, id);
  const state = stateOf(stored);
  if (state === 'closed') return toWire(stored);
  if (state === 'reverted')
    throw new Problem('conflict', `The backfill ${id} was reverted: send the events under another one.`);
  const closing = await settle(tx, actor, stored).catch((error) => {
    if ((error as { code?: unknown }).code !== queryCanceled) throw error;
    throw unavailable(`A step of the closing took longer than ${statementMsMax / 1_000} s.`, 5, error);
  });
  await markClosed(tx, stored.number, name, closing);
  const { counted, duplicates, replaced } = closing;
  await insertAudit(tx, actor, {
    ...{ action: 'close', resource: 'backfill', resourceId: id, after: { counted, duplicates, replaced } },
  });
  const outcome = toWire((await getBackfill(tx, namespace, id))!);
  if (dryRun) throw new DryRun(outcome);
  failPoint('backfill-before-close');
  return outcome;
}

/** Steps 2 to 4, but for the mark. */
async function settle(tx: Transaction, { namespace, name: actor }: Actor, stored: StoredBackfill) {
  const { number: backfill, id, events } = stored;
  const by = { backfill, namespace, actor };
  const range = rangeOf(stored);
  const reason = `replaced by the backfill ${id}`;
  const replaced = range ? await voidReplaced(tx, { ...by, reason }, range, replacedEventsMax) : 0;
  if (replaced > replacedEventsMax)
    throw new Problem(
      'bad_request',
      `The backfill ${id} would replace more than ${replacedEventsMax} events, the most at once: replace a shorter range.`,
    );
  const tables = await readIdentityTables(tx);
  const closed = tables.closed.map((table) => table.number);
  await takeIdentities(tx, backfill, tables.open, closed);
  const stays = `its source and id were stored outside of the backfill ${id}`;
  const duplicates = await voidDuplicates(tx, { ...by, reason: stays });
  const minutes = await minutesOfBackfill(tx, namespace, backfill);
  for (const { type, minutesUs } of minutes)
    if (minutesUs.length > staleMinutesMax)
      throw new Problem(
        'bad_request',
        `The events of ${type} lie in ${minutesUs.length} minutes, and ${staleMinutesMax} are the most of one backfill: send them in several.`,
      );
  await noteSubjects(tx, namespace, backfill);
  await analyzeCorrections(tx, replaced + duplicates);
  const { identityTable } = await readRegistryShared(tx);
  if (identityTable !== tables.open) throw new IdentityTableClosed();
  await markMinutes(tx, namespace, timesOfTypes(minutes));
  return { counted: events - duplicates, duplicates, replaced, identityTable };
}

export function timesOfTypes(minutes: readonly ChangedMinutes[]): Map<string, readonly number[]> {
  return new Map(minutes.map(({ type, minutesUs }) => [type, minutesUs]));
}

/** Resolves once every event is stored that was accepted before. Problems: 503. */
async function drained(stream: Pick<EventStream, 'position'>): Promise<void> {
  const look = () =>
    stream.position().catch((error) => {
      throw unavailable('Redis does not answer, so events of the backfill may be waiting there.', 2, error);
    });
  let position = await look();
  const askedMs = position.nowMs;
  const deadline = performance.now() + drainMsMax;
  while (position.asOfMs < askedMs && position.eventsWaiting > 0) {
    if (performance.now() > deadline)
      throw unavailable(
        `${position.eventsWaiting} accepted events are not stored yet, some may be of the backfill: try again later.`,
        5,
      );
    await Bun.sleep(drainPollMs);
    position = await look();
  }
}
