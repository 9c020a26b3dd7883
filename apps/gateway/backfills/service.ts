import { isDeepStrictEqual } from 'node:util';
import {
  getBackfill,
  insertBackfill,
  laterReplacing,
  listBackfills,
  markReverted,
} from '@usage/db/backfills/backfills.ts';
import { giveIdentities, minutesOfBackfill, noteSubjects, undoClosing } from '@usage/db/backfills/closing.ts';
import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { type Actor, insertAudit } from '@usage/db/limits/audit.ts';
import { readRegistryShared } from '@usage/db/meters/registry.ts';
import { readBodyAs } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { markMinutes } from '../corrections/markMinutes.ts';
import { fromDatabase } from '../database.ts';
import { holdForChange, timesOfTypes } from './close.ts';
import { idPattern, listMax, NewBackfill } from './model.ts';
import { notFound, rangeOf, stateOf, toRow, toWire, type Wire } from './wire.ts';

/** Events that one backfill may hold: closing it is one transaction. */
export const backfillEventsMax = 200_000;

/** Problems: 400, 409 where another one has the id. */
export async function create(sql: Sql, actor: Actor, body: unknown): Promise<Wire> {
  const wanted = readBodyAs('backfill', NewBackfill, body);
  const row = toRow(wanted);
  return fromDatabase(
    sql.begin(async (tx) => {
      const isNew = await insertBackfill(tx, actor.namespace, actor.name, row);
      const stored = (await getBackfill(tx, actor.namespace, wanted.id))!;
      if (isNew) {
        const { reason, replaces } = wanted;
        await insertAudit(tx, actor, {
          ...{ action: 'create', resource: 'backfill', resourceId: wanted.id, after: { reason, replaces } },
        });
      } else if (!isDeepStrictEqual([stored.reason, rangeOf(stored)], [row.reason, row.replaces])) {
        throw new Problem('conflict', `There is another backfill ${wanted.id}: choose another id.`);
      }
      return toWire(stored);
    }) as Promise<Wire>,
  );
}

/** Newest first. */
export async function list(
  sql: Sql,
  namespace: string,
  { limit = listMax, before }: { limit?: number; before?: string },
): Promise<{ items: Wire[] }> {
  return { items: (await fromDatabase(listBackfills(sql, namespace, { limit, before }))).map(toWire) };
}

/** Problems: 404. */
export async function get(sql: Sql, namespace: string, id: string): Promise<Wire> {
  const found = await fromDatabase(getBackfill(sql, namespace, id));
  if (!found) throw notFound(id);
  return toWire(found);
}

/**
 * Takes a backfill out of count, in one transaction with the minutes that it marks stale; what it replaced counts again.
 * Problems: 404, 409 where a later one replaces the same range, 400 and 503 of markMinutes.
 */
export async function revert(sql: Sql, actor: Actor, id: string): Promise<Wire> {
  return fromDatabase(
    sql.begin(async (tx) => {
      const { namespace, name } = actor;
      const stored = await holdForChange(tx, actor, id);
      const state = stateOf(stored);
      if (state === 'reverted') return toWire(stored);
      if (state === 'closed') await takeBack(tx, actor, stored.number, stored.identity_table!);
      await markReverted(tx, stored.number, name);
      await insertAudit(tx, actor, {
        ...{ action: 'revert', resource: 'backfill', resourceId: id, before: { state } },
      });
      return toWire((await getBackfill(tx, namespace, id))!);
    }) as Promise<Wire>,
  );
}

async function takeBack(tx: Transaction, actor: Actor, number: bigint, identityTable: number): Promise<void> {
  const later = await laterReplacing(tx, number);
  if (later)
    throw new Problem(
      'conflict',
      `The backfill ${later.id} was closed later and replaces events in the same range: revert that one first.`,
    );
  const minutes = await minutesOfBackfill(tx, actor.namespace, number);
  await undoClosing(tx, { backfill: number, namespace: actor.namespace, actor: actor.name, reason: '' });
  await giveIdentities(tx, number, identityTable);
  await noteSubjects(tx, actor.namespace, number);
  await readRegistryShared(tx);
  await markMinutes(tx, actor.namespace, timesOfTypes(minutes));
}

/** Before an event is accepted under a backfill. Problems: 400 for what is no id, 404, 409 where it takes no more. */
export async function requireOpen(sql: Sql, namespace: string, id: string): Promise<void> {
  if (!idPattern.test(id))
    throw new Problem(
      'bad_request',
      'The header Usage-Backfill is not valid: it must be the id of a backfill.',
    );
  const found = await fromDatabase(getBackfill(sql, namespace, id));
  if (!found) throw notFound(id);
  const state = stateOf(found);
  if (state !== 'open') throw new Problem('conflict', `The backfill ${id} is ${state}: open another one.`);
  if (found.events >= backfillEventsMax)
    throw new Problem(
      'conflict',
      `The backfill ${id} holds ${found.events} events, and ${backfillEventsMax} are the most: close it and open another one.`,
    );
}
